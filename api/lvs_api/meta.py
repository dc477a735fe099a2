"""What every Kubernetes object carries: metadata, label selectors, conditions, and the key that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

__all__ = [
    "Condition",
    "LabelSelector",
    "LabelSelectorRequirement",
    "ObjectKey",
    "ObjectMeta",
    "OwnerReference",
    "Spec",
    "Status",
]


class ObjectKey(NamedTuple):
    """Names one object of a known kind; ``namespace`` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Base of what users write: an unknown field is an error, so that a typo never passes in silence."""


class Status(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of what programs write and of core kinds: unknown fields are newer than us and are passed over."""


class OwnerReference(Status, frozen=True):
    """The part of metav1.OwnerReference that decisions read."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class ObjectMeta(Status, frozen=True):
    """The part of metav1.ObjectMeta that decisions read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def key(self) -> ObjectKey:
        """The key of the object that carries this metadata."""
        return ObjectKey(self.namespace, self.name)


class LabelSelectorRequirement(Spec, frozen=True):
    """One entry of matchExpressions, as in Kubernetes."""

    key: Annotated[str, Meta(max_length=317, description="Key of the label.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"],
        Meta(description="What has to be true of the label's value, or of the label."),
    ]
    values: Annotated[
        tuple[Annotated[str, Meta(max_length=63)], ...],
        Meta(max_length=64, description="Values, with In and NotIn."),
    ] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels fulfil this one requirement."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(Spec, frozen=True):
    """A label selector as in Kubernetes; an empty one matches every object."""

    match_labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=63)]],
        Meta(max_length=64, description="Labels that must all be there with these values."),
    ] = {}
    match_expressions: Annotated[
        tuple[LabelSelectorRequirement, ...],
        Meta(max_length=32, description="Requirements that must all be met."),
    ] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


class Condition(Status, frozen=True):
    """metav1.Condition."""

    type: Annotated[str, Meta(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=1024)] = ""
    message: Annotated[str, Meta(max_length=32768)] = ""
    last_transition_time: str = ""
    observed_generation: int = 0
