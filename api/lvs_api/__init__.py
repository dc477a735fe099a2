"""The API group lvs-operator.io/v1alpha1: its types, its rules, and what follows from objects alone.

Everything here is pure: values in, values out. The operator and the node agent both import it;
it imports neither.
"""

GROUP = "lvs-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
