"""Writes the CustomResourceDefinitions and the API reference from the types: ``python -m lvs_api.crd --help``."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from lvs_api import GROUP, VERSION
from lvs_api.columns import Column
from lvs_api.kinds import KINDS, Kind
from lvs_api.reference import reference
from lvs_api.schema import schema_of

__all__ = ["custom_resource_definition", "drift", "main", "manifests"]

CustomResourceDefinition: TypeAlias = dict[str, Any]

CATEGORY = "lvs-operator"
_HEADER = "# Generated from the types in api/lvs_api: change those and run make generate.\n"


def custom_resource_definition(kind: Kind) -> CustomResourceDefinition:
    """Return the CustomResourceDefinition (apiextensions.k8s.io/v1) of a kind."""
    singular = kind.KIND.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.NAMESPACED else "Cluster",
            "names": {
                "kind": kind.KIND,
                "listKind": f"{kind.KIND}List",
                "plural": kind.PLURAL,
                "singular": singular,
                "shortNames": list(kind.SHORT_NAMES),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _top_level(kind)},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_printer_column(column) for column in kind.COLUMNS],
                }
            ],
        },
    }


def manifests() -> dict[str, str]:
    """Return the CustomResourceDefinitions as YAML by file name."""
    return {
        f"{GROUP}_{kind.PLURAL}.yaml": _HEADER
        + yaml.safe_dump(custom_resource_definition(kind), sort_keys=False, width=120, allow_unicode=True)
        for kind in KINDS
    }


def drift(wanted: Mapping[Path, str]) -> tuple[str, ...]:
    """Say which files differ from what the types come to; nothing where all is well."""
    return tuple(f"{path}: {fault}" for path, text in wanted.items() if (fault := _fault(path, text)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the generated files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lvs_api.crd", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", metavar="FOLDER", type=Path, help="write the CustomResourceDefinitions there")
    mode.add_argument("--check", metavar="FOLDER", type=Path, help="write nothing; fail where a file there differs")
    parser.add_argument("--docs", metavar="FILE", type=Path, help="the API reference, written or checked as well")
    chosen = parser.parse_args(arguments)
    folder: Path = chosen.write or chosen.check
    wanted = {folder / name: text for name, text in manifests().items()}
    if chosen.docs:
        wanted[chosen.docs] = reference()
    if chosen.check:
        return _complain(drift(wanted))
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _top_level(kind: Kind) -> dict[str, Any]:
    schema = schema_of(kind)
    return {
        **schema,
        "description": inspect.getdoc(kind),
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, **schema["properties"]},
    }


def _printer_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        **({"priority": 1} if column.wide else {}),
    }


def _fault(path: Path, text: str) -> str:
    if not path.is_file():
        return "is missing; run make generate"
    return "" if path.read_text() == text else "differs from the types in api/lvs_api; run make generate"


def _complain(faults: Iterable[str]) -> int:
    failed = 0
    for fault in faults:
        failed = 1
        sys.stderr.write(f"{fault}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
