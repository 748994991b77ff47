"""APPROVAL: decisions are applied, refusals recorded, proposals that ran out of time closed."""
