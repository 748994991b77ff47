package sluice.policies.model_allow_list_test

import data.sluice.policies.model_allow_list as policy

test_evaluated if policy.evaluated

planned_by(planner, model) := {"proposal": {"planner": planner, "model": model}}

limits := {"models": ["gpt-5-mini", ""]}

test_a_listed_model_may_plan if {
	count(policy.violations) == 0 with input as planned_by("openai", "gpt-5-mini")
		with data.sluice.limits.model_allow_list as limits
}

test_another_model_is_denied_and_named if {
	some violation in policy.violations with input as planned_by("openai", "gpt-5-nano")
		with data.sluice.limits.model_allow_list as limits
	violation.message == "The model \"gpt-5-nano\" may not plan changes; allowed: gpt-5-mini, ."
}

test_a_model_without_a_name_is_on_no_list if {
	count(policy.violations) == 1 with input as planned_by("openai", "") with data.sluice.limits.model_allow_list as limits
}

test_a_planner_of_tomorrow_is_taken_for_a_model if {
	count(policy.violations) == 1 with input as planned_by("other", "") with data.sluice.limits.model_allow_list as limits
}

test_rules_people_and_undo_are_no_models if {
	every planner in ["direct", "rules", "undo"] {
		count(policy.violations) == 0 with input as planned_by(planner, "") with data.sluice.limits.model_allow_list as limits
	}
}

test_without_a_list_it_says_nothing if {
	count(policy.violations) == 0 with input as planned_by("openai", "any")
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as planned_by("openai", "gpt-5-nano")
		with data.sluice.limits.model_allow_list as limits
	violation.level == "hard"
}
