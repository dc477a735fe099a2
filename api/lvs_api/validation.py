"""Reads one document of a manifest into its API type, refusing all that the API server would refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, TypeAlias

import msgspec

from lvs_api import API_VERSION
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.kinds import KINDS
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectMeta
from lvs_api.realserver import RealServer
from lvs_api.schema import Schema, schema_of
from lvs_api.structure import Fault, check, shown, unknown_fields
from lvs_api.virtualservice import VirtualService

__all__ = ["FieldError", "Invalid", "Loaded", "load"]

Loaded: TypeAlias = VirtualService | RealServer | DirectorPool | LVSNode | EndpointSlice

DEFAULT_NAMESPACE = "default"

_KINDS: dict[tuple[str, str], type[Loaded]] = {
    **{(API_VERSION, kind.KIND): kind for kind in KINDS},
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSlice,
}

# RFC 1123, in the forms that k8s.io/apimachinery/pkg/api/validation asks of names.
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 253}
_NAMESPACE: Schema = {"type": "string", "minLength": 1, "maxLength": 63}
_QUALIFIED = re.compile(rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)

# metav1.ObjectMeta; what is not read here is there in objects that were saved with kubectl get -o yaml.
_METADATA_FIELDS = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
    "selfLink",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


class FieldError(msgspec.Struct, frozen=True):
    """Something wrong with one field of an object.

    Parameters
    ----------
    object
        Kind and name, as far as they are known.
    field, value, message
        Path of the field, what is there (empty where nothing is, or more than one word), and what is allowed.
    """

    object: str
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        fault = Fault(self.field, self.value, self.message)
        return f"{self.object}: {fault}" if self.object else str(fault)


class Invalid(ValueError):
    """A document is not an object of a known kind.

    Parameters
    ----------
    errors
        All that is wrong with it.
    """

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def load(document: object) -> Loaded:
    """Read one document.

    Parameters
    ----------
    document
        What a JSON or YAML decoder made of it. A namespace that is left out is ``default``; a status is passed over.

    Raises
    ------
    Invalid
        If the API server would refuse it, with everything that is wrong.
    """
    if not isinstance(document, dict):
        raise Invalid((FieldError("", "", shown(document), "must be an object with apiVersion, kind and metadata"),))
    kind = _kind_of(document)
    metadata, faults = _metadata(document.get("metadata"), namespaced=getattr(kind, "NAMESPACED", True))
    content, more = _content(kind, document)
    faults += more
    if faults:
        name = _name_of(kind, metadata)
        raise Invalid(tuple(FieldError(name, fault.field, fault.value, fault.message) for fault in faults))
    return msgspec.convert({**content, "metadata": metadata}, kind)


def _kind_of(document: Mapping[str, Any]) -> type[Loaded]:
    given = (document.get("apiVersion"), document.get("kind"))
    kind = _KINDS.get(given) if all(isinstance(part, str) for part in given) else None  # type: ignore[arg-type]
    if kind is not None:
        return kind
    versions = dict.fromkeys(version for version, _ in _KINDS)
    field, value, known = (
        ("kind", given[1], [kind for version, kind in _KINDS if version == given[0]])
        if given[0] in versions
        else ("apiVersion", given[0], list(versions))
    )
    raise Invalid((FieldError("", field, shown(value), f"must be one of {', '.join(known)}"),))


@cache
def _schema(kind: type[Loaded]) -> Schema:
    """Return the schema of all but metadata, and but status, which is for programs to write."""
    schema = schema_of(kind)
    rest = {name: field for name, field in schema["properties"].items() if name not in {"metadata", "status"}}
    return {**schema, "properties": rest}


def _content(kind: type[Loaded], document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    schema = _schema(kind)
    foreign = kind is EndpointSlice  # fields that we don't read are none of our business there
    fields = schema["properties"]
    faults = (
        [] if foreign else list(unknown_fields(document, ("apiVersion", "kind", "metadata", "status", *fields), ""))
    )
    given = {name: value for name, value in document.items() if name in fields}
    content, more = check(schema, given, "", unknown=foreign)
    return content, faults + [Fault(fault.field.removeprefix("."), fault.value, fault.message) for fault in more]


def _metadata(given: object, *, namespaced: bool) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(given, dict):
        return {}, [Fault("metadata.name", "", "is required")]
    # YAML reads a time that is not in quotes as one.
    metadata = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in given.items()
        if value is not None
    }
    faults = list(unknown_fields(given, _METADATA_FIELDS, "metadata"))
    faults += _text_faults("metadata.name", metadata.get("name"), _NAME, _SUBDOMAIN, "subdomain")
    if namespaced:
        namespace = metadata.setdefault("namespace", DEFAULT_NAMESPACE)
        faults += _text_faults("metadata.namespace", namespace, _NAMESPACE, _LABEL, "label")
    else:
        metadata.pop("namespace", None)
    faults += _map_faults("metadata.labels", metadata.get("labels", {}), labels=True)
    faults += _map_faults("metadata.annotations", metadata.get("annotations", {}), labels=False)
    if not faults:
        try:
            msgspec.convert(metadata, ObjectMeta)
        except msgspec.ValidationError as error:
            faults.append(Fault("metadata", "", str(error)))
    return metadata, faults


def _text_faults(field: str, value: object, schema: Schema, form: str, called: str) -> list[Fault]:
    if value is None:
        return [Fault(field, "", "is required")]
    _, faults = check(schema, value, field)
    if not faults and isinstance(value, str) and not re.fullmatch(form, value, re.ASCII):
        dots = ", dots" if called == "subdomain" else ""
        allowed = (
            f"must be an RFC 1123 {called}: lower-case letters, digits, hyphens{dots}, a letter or digit at both ends"
        )
        faults = [Fault(field, shown(value), allowed)]
    return faults


def _map_faults(field: str, value: object, *, labels: bool) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(field, shown(value), "must be an object, that is names with values")
        return
    for key, one in value.items():
        if not isinstance(one, str):
            yield Fault(f"{field}.{key}", shown(one), "must be a string; put it in quotes")
        elif labels and not _LABEL_VALUE.fullmatch(one):
            yield Fault(
                f"{field}.{key}",
                shown(one),
                "must be a valid label: at most 63 letters, digits, '-', '_', '.', a letter or digit at both ends",
            )
        # ValidateAnnotations in k8s.io/apimachinery looks at an annotation's key in lower case, at a label's as it is.
        if not _QUALIFIED.fullmatch(str(key) if labels else str(key).lower()):
            allowed = (
                "must be a name of at most 63 characters such as app, or example.org/app with a domain of at most 253"
            )
            yield Fault(field, shown(key), allowed)


def _name_of(kind: type[Loaded], metadata: Mapping[str, Any]) -> str:
    parts = [part for part in (metadata.get("namespace"), metadata.get("name")) if isinstance(part, str)]
    return f"{kind.__name__} {'/'.join(parts)}".strip()
