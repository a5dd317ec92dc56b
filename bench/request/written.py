"""YAML that a stranger may have written, read as it stands: bounded, and no number that looks like another one.

YAML 1.1 takes 010 for 8, 1:30 for 90 and a date for a day; here they stay the texts that they are, and whoever wants a
number refuses them or reads their digits.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node

DEEPEST = 16
"""How deep lists and keys may lie in each other."""
MOST = 2**18
"""Bytes of a file."""
NUMBERS = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"
WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})")
BROKEN = re.compile(
    r"[-+]?(?:[0-9]{1,400}\.[0-9]{0,400}(?:[eE][-+][0-9]{1,4})?|\.[0-9]{1,400}|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases, numbers to other bases, times and keys that come twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own attribute, of the class
        first: [(tag, pattern) for tag, pattern in pairs if tag not in NUMBERS]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """A node, unless it is one that was written elsewhere, or lies too deep."""
        if self.check_event(AliasEvent):
            raise yaml.YAMLError(f"line {self.peek_event().start_mark.line + 1} refers to another by *; write it out")
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are texts, or plain numbers, each once."""
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1} has keys of which one comes twice")
        return found


for _tag, _pattern in zip(NUMBERS, (WHOLE, BROKEN), strict=False):
    Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789"))


def read(text: str) -> Any:
    """The data of some YAML.

    Raises:
        ValueError: it is none, or goes beyond what is read; part of a sentence.
    """
    if len(text) > MOST:
        raise ValueError(f"it has {len(text):,} signs, and at most {MOST:,} are read")
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error
