"""The limits that the shipped policies read: `policies/data.yaml`, checked before OPA gets it.

Rego compares a number with a text without complaint, and a key that is missing makes a rule silent. So what is there
must be whole: a policy's limits are either absent, and it says nothing, or complete.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    model_validator,
)

from adapters.configuration import read_as, undeclared
from adapters.opa.sources import policy_names
from contracts.configuration.values import TimeZone
from contracts.errors import ConfigurationInvalid
from contracts.principal import GroupName

_ENVIRONMENTS = "environments"
"""Under this name a validation is told the environments that are declared, where somebody knows them."""


def _is_declared(name: str, told: ValidationInfo) -> str:
    declared = (told.context or {}).get(_ENVIRONMENTS)
    if declared is not None and name not in declared:
        raise ValueError(undeclared(name, declared, "environments"))
    return name


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
EnvironmentName = Annotated[Text, AfterValidator(_is_declared)]
Names = Annotated[tuple[Text, ...], Field(min_length=1)]
Groups = Annotated[tuple[GroupName, ...], Field(min_length=1)]
Nodes = Annotated[StrictInt, Field(ge=0)]
Amount = Annotated[StrictInt | StrictFloat, Field(ge=0)]
Clock = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ByEnvironment(_Limits):
    """A number of nodes, with a default for environments that have none of their own."""

    default: Nodes
    environments: dict[EnvironmentName, Nodes] = {}


class Lists(_Limits):
    """A list by environment. An environment that is not named is not judged; an empty list allows nothing."""

    environments: dict[EnvironmentName, tuple[Text, ...]]


class Labels(_Limits):
    """Labels that an environment requires."""

    environments: dict[EnvironmentName, Names]


class Fleet(_Limits):
    """The largest number of nodes of the whole fleet."""

    nodes: Nodes


class Accelerators(_Limits):
    """GPUs that may be used outside production."""

    allowed_accelerators: tuple[Text, ...]
    denied_machine_prefixes: tuple[Text, ...]


class Residency(_Limits):
    """Regions by residency class, and the label that names the class."""

    label: Text
    classes: dict[Text, tuple[Text, ...]]


class Owners(_Limits):
    """Environments whose targets must name an owner."""

    owner_needed_in: tuple[EnvironmentName, ...]


class Hours(_Limits):
    """When production changes. `from` is inside, `until` outside."""

    time_zone: TimeZone
    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    start: Clock = Field(alias="from")
    until: Clock

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.start >= self.until:
            raise ValueError("`from` must be before `until`")
        return self


class Needed(_Limits):
    """Environments in which a fact must be known."""

    needed_in: tuple[EnvironmentName, ...]


class Encryption(_Limits):
    """Where boot disks need a key, and how the resource names of the keys begin."""

    environments: Annotated[tuple[EnvironmentName, ...], Field(min_length=1)]
    key_prefixes: Names


class Disks(_Limits):
    """Types of boot disks, and their sizes in GB; both bounds are allowed."""

    types: Names
    min_gb: Nodes
    max_gb: Nodes

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.min_gb > self.max_gb:
            raise ValueError("min_gb is above max_gb")
        return self


class Training(_Limits):
    """Environments in which training may run on machines that stay."""

    except_in: tuple[EnvironmentName, ...]


class Models(_Limits):
    """Models that may plan."""

    models: Names


class Finance(_Limits):
    """The rise in cost per month above which the groups must approve."""

    monthly_above: Amount
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    groups: Groups


class Impact(_Limits):
    """The share of revenue or customers at risk (0 to 1) above which the groups must approve."""

    above: Annotated[StrictInt | StrictFloat, Field(ge=0, le=1)]
    groups: Groups
    quorum: Annotated[StrictInt, Field(ge=1, le=10)]
    needed_in: tuple[EnvironmentName, ...]


class PolicyLimits(BaseModel):
    """`data.sluice.limits`, by policy. Keys that no shipped policy has are those of an operator's own policies."""

    model_config = ConfigDict(extra="allow", frozen=True)

    pool_maximum: ByEnvironment | None = None
    cluster_maximum: ByEnvironment | None = None
    fleet_maximum: Fleet | None = None
    gpu_outside_production: Accelerators | None = None
    region: Lists | None = None
    data_residency: Residency | None = None
    machine_family: Lists | None = None
    required_labels: Labels | None = None
    owning_team: Owners | None = None
    production_hours: Hours | None = None
    shrink_below_load: Needed | None = None
    disruption_budget: Needed | None = None
    disk_encryption: Encryption | None = None
    disk_bounds: Disks | None = None
    training_on_spot: Training | None = None
    model_allow_list: Models | None = None
    cost_needs_finance: Finance | None = None
    business_impact: Impact | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_blank(cls, value: object) -> object:
        if isinstance(value, dict):
            blank = sorted(str(name) for name, limits in value.items() if limits is None)
            if blank:
                raise ValueError(f"{', '.join(blank)}: say the limits or leave the key out")
        return value


class _Sluice(BaseModel):
    model_config = ConfigDict(extra="allow")

    limits: PolicyLimits = PolicyLimits()

    @model_validator(mode="after")
    def _bundle_is_ours(self) -> Self:
        if "bundle" in (self.model_extra or {}):
            raise ValueError("`bundle` is written when the policies are packed")
        return self

    @model_validator(mode="after")
    def _limits_are_spelt(self) -> Self:
        if self.model_extra and "limits" not in self.model_fields_set:
            raise ValueError(
                f"has {', '.join(sorted(self.model_extra))}, and no `limits`: nothing would be limited"
            )
        return self


class PolicyData(BaseModel):
    """The whole data file."""

    model_config = ConfigDict(extra="forbid")

    sluice: _Sluice


def check_limits(source: Path, environments: Collection[str] | None = None) -> None:
    """Return when the limits in `source`/data.yaml are whole, or when there is no such file.

    Given the `environments` that are declared, limits of any other are refused: they would never hold anything.

    Raises:
        ConfigurationInvalid: they are not; the message names file, line, key and reason of every fault.
    """
    file = source / "data.yaml"
    if not file.exists():
        return
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"{file}: cannot be read") from error
    told = {_ENVIRONMENTS: environments}
    given = read_as(PolicyData, text, str(file), told).sluice.limits
    known = {*PolicyLimits.model_fields, *policy_names(source)}
    strange = sorted(set(given.model_extra or {}) - known)
    if strange:
        raise ConfigurationInvalid(f"{file}: sluice.limits: no policy is called {', '.join(strange)}")
