"""Checks the requests that the gateway sent in a test run against the parameter types that Stripe generates.

    python check_requests.py DIRECTORY

The directory contains files `*.jsonl` with one request per line. The sandbox's `--record-requests` and the gateway's
tests write them. The types are the TypedDicts of the package `stripe`. The package's services determine the type for
each request, so new calls need no changes here. Exits with 1 if the directory contains no requests. Also exits with 1
if a request matches no endpoint, or has an unknown parameter or one of the wrong type.
"""

import ast
import importlib
import inspect
import json
import re
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation
from functools import cache, reduce
from itertools import chain
from pathlib import Path
from types import UnionType
from typing import ForwardRef, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

from pydantic import ConfigDict, TypeAdapter, ValidationError
from stripe._request_options import RequestOptions
from typing_extensions import NotRequired, Required, TypedDict, is_typeddict

# The gateway's user agent. Other clients, such as the tests, also call the sandbox.
USER_AGENT = "quittance/"

# Only the fields of the type, and no numbers as text.
STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class Bad(Exception):
    """The reason why a request is invalid."""


class Nothing(TypedDict):
    """The parameters of an endpoint that takes none."""


# --- The endpoints, as the package's services have them


class Endpoint:
    """A method and a path of the API, and the type of its parameters."""

    def __init__(self, method, path, service, params):
        self.method, self.path = method, path
        self._service, self._params = service, params
        pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(path))
        self.placeholders = path.count("{")
        self._pattern = re.compile(pattern)

    def fits(self, method, path):
        return method == self.method and self._pattern.fullmatch(path) is not None

    @property
    def params(self):
        """The TypedDict that the service's method is annotated with."""
        if self._params is None:
            return Nothing
        # Nested in another class, or at the top level.
        outer, *inner = self._params.split(".")
        type_ = getattr(importlib.import_module(imports_of(self._service)[outer]), outer)
        return parameters_alone(reduce(getattr, inner, type_))


@cache
def parameters_alone(type_):
    """The TypedDict without the library's own options, such as `stripe_account`: Stripe takes none of them."""
    if not set(RequestOptions.__annotations__) <= set(type_.__annotations__):
        return type_
    own = {key: hint for key, hint in type_.__annotations__.items() if key not in RequestOptions.__annotations__}
    alone = TypedDict(type_.__name__, own)
    alone.__module__ = type_.__module__
    return alone


def imports_of(service):
    """Returns the module of each name that a service imports for its annotations only."""
    tree = ast.parse(inspect.getsource(sys.modules[service.__module__]))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name: node.module for node in nodes for alias in node.names}


def services(module_name, class_name):
    """A service and all below it."""
    module = importlib.import_module(module_name)
    yield getattr(module, class_name)
    for below in getattr(module, "_subservices", {}).values():
        yield from services(*below)


def name_of(annotation):
    """The name in `"X"` or `Optional["X"]`."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, ForwardRef):
            return part.__forward_arg__
        if isinstance(part, str):
            return part
    return None


class Asked(Exception):
    """Carries the request of a service's method."""


def endpoint_of(service, method):
    """Returns the endpoint of a service's method, by calling it with placeholders as IDs."""

    def ask(_self, http_method, path, *_args, **_kwargs):
        raise Asked(http_method.upper(), unquote(path))

    # OAuth doesn't use the method that all other services use.
    requestor = type("Requestor", (), {"request": ask})()
    probe = type(service.__name__, (service,), {"_request": ask, "_request_stream": ask})(requestor)
    parameters = inspect.signature(method).parameters.values()
    ids = [f"{{{p.name}}}" for p in parameters if p.name not in ("self", "params", "options")]
    params = inspect.signature(method).parameters.get("params")
    # A required client ID is checked before the request.
    given = {} if params is None else {"params": {"client_id": "ca_1"}}
    try:
        method(probe, *ids, **given)
    except Asked as asked:
        return Endpoint(*asked.args, service, params and name_of(params.annotation))
    except Exception:  # A helper, not a call.
        return None
    return None


@cache
def endpoints():
    """Every endpoint of version 1 of the API, and of OAuth; those without placeholders first."""
    found = []
    oauth = services("stripe._oauth_service", "OAuthService")
    for service in chain(services("stripe._v1_services", "V1Services"), oauth):
        for name, method in vars(service).items():
            if inspect.isfunction(method) and not name.startswith("_") and not name.endswith("_async"):
                found.append(endpoint_of(service, method))
    return sorted(filter(None, found), key=lambda endpoint: endpoint.placeholders)


def endpoint_for(method, path):
    for endpoint in endpoints():
        if endpoint.fits(method, path):
            return endpoint
    raise Bad("Stripe's library has no such call")


# --- From a form to values


def tree(pairs):
    """Fields such as `a[b]=1` and `c[]=2` as nested dicts; the items of `c[]` are a list under the key ''."""
    root = {}
    for name, value in pairs:
        match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
        if match is None:
            raise Bad(f"{name}: the brackets do not fit together")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if "" in path[:-1]:
            raise Bad(f"{name}: a list of objects needs numbers")
        node = root
        for key in path[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise Bad(f"{name}: given as a value, too")
        if path[-1] == "":
            node.setdefault("", []).append(value)
        elif path[-1] in node:
            raise Bad(f"{name}: given twice")
        else:
            node[path[-1]] = value
    return root


def as_list(node):
    """The items, if this is how a list is written: `a[]`, or `a[0]`, `a[1]`, … without a gap."""
    if list(node) == [""]:
        return node[""]
    if node and all(key.isdecimal() for key in node):
        numbered = sorted(node.items(), key=lambda item: int(item[0]))
        if [key for key, _ in numbered] == [str(place) for place in range(len(node))]:
            return [item for _, item in numbered]
    return None


def scalar(text, type_):
    """Converts text to the type. Other text stays text, which the type then rejects."""
    if type_ is int and re.fullmatch(r"0|-?[1-9][0-9]*", text):
        return int(text)
    if type_ is float and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return float(text)
    if type_ is bool and text in ("true", "false"):
        return text == "true"
    if type_ is Decimal:
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    return text


@cache
def hints(typed_dict):
    return get_type_hints(typed_dict, include_extras=True)


def typed(node, type_):
    """Converts the request's values to the annotated types, without changing their meaning."""
    origin, args = get_origin(type_), get_args(type_)
    if origin in (NotRequired, Required):
        return typed(node, args[0])
    if origin in (Union, UnionType):
        tries = [(typed(node, arm), arm) for arm in args]
        return next((value for value, arm in tries if accepts(arm, value)), node)
    if isinstance(node, dict) and is_typeddict(type_):
        known = hints(type_)
        return {key: typed(value, known[key]) if key in known else value for key, value in node.items()}
    if isinstance(node, dict) and origin is dict:
        return {key: typed(value, args[1]) for key, value in node.items()}
    if isinstance(node, dict) and origin is list:
        items = as_list(node)
        return node if items is None else [typed(item, args[0]) for item in items]
    if isinstance(node, str):
        return scalar(node, type_)
    return node


# --- The check


def forbid_others(type_, seen):
    """Makes every TypedDict within a type refuse what it does not name."""
    if is_typeddict(type_) and type_ not in seen:
        seen.add(type_)
        type_.__pydantic_config__ = STRICT
        for hint in hints(type_).values():
            forbid_others(hint, seen)
    for part in get_args(type_):
        if get_origin(type_) is not Literal:
            forbid_others(part, seen)


@cache
def adapter(type_):
    forbid_others(type_, set())
    return TypeAdapter(type_, config=None if is_typeddict(type_) else STRICT)


def accepts(type_, value):
    try:
        adapter(type_).validate_python(value)
    except ValidationError:
        return False
    return True


def check(request):
    """Returns the endpoint of a recorded request. Raises `Bad` if the request is invalid."""
    method, path = request["method"], request["path"]
    endpoint = endpoint_for(method, path)
    here, elsewhere = ("query", "body") if method == "GET" else ("body", "query")
    if request[elsewhere]:
        raise Bad(f"a {method} with a {elsewhere}")
    pairs = parse_qsl(request[here], keep_blank_values=True, strict_parsing=bool(request[here]), errors="strict")
    sent = tree(pairs)
    try:
        adapter(endpoint.params).validate_python(typed(sent, endpoint.params))
    except ValidationError as error:
        raise Bad(str(error)) from error
    return endpoint


def recorded(directory):
    """Every request in a directory, those of others than the gateway left out."""
    for file in sorted(Path(directory).glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            request = json.loads(line)
            if request["user_agent"].startswith(USER_AGENT):
                yield request


def main(directory):
    counts, failures = Counter(), {}
    for request in recorded(directory):
        try:
            endpoint = check(request)
            counts[f"{endpoint.method} {endpoint.path}"] += 1
        except (Bad, ValueError) as error:
            failures.setdefault(f"{request['method']} {request['path']}: {error}", request)
    for route, count in sorted(counts.items()):
        print(f"ok      {count:6}  {route}")
    for failure, request in failures.items():
        print(f"FAILED  {failure}\n        {request['query'] or request['body']}")
    if not counts and not failures:
        print("FAILED  no request of the gateway was recorded")
    return 1 if failures or not counts else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
