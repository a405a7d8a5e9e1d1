"""XML, as far as an envelope needs it: elements with their names, places and text.

No types of documents, and no entities but the five that XML has of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DEEPEST = 200
_NAME = re.compile(r"[^\s<>/=&\"'!?]+")
_ATTRIBUTE = re.compile(r"\s+([^\s<>/=&\"'!?]+)\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')")
_ENDING = re.compile(r"\s*(/?)>")
_ENTITY = re.compile(r"&([^;\s]*);?")
_NUMBER = re.compile(r"#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
# What XML has no way to say.
_UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NotXml(ValueError):
    """It is not XML that is read here."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"it is not XML that is read here: {what}, at character {at}")


@dataclass
class Element:
    """An element, with its places in the source."""

    name: str
    local: str
    namespace: str
    scope: Mapping[str, str]
    """Namespaces by their prefixes, as far as they are known here; that without a prefix under ''."""
    declares: frozenset[str]
    begins: int
    name_ends: int
    inner_begins: int
    inner_ends: int
    ends: int
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """Without that of its children."""

    def all_text(self) -> str:
        """All text in it, in order of its elements."""
        return self.text + "".join(child.all_text() for child in self.children)

    def find_all(self, local: str) -> list[Element]:
        """The elements below it that are called so, whatever their prefixes."""
        found = []
        for child in self.children:
            if child.local == local:
                found.append(child)
            found.extend(child.find_all(local))
        return found

    def alone(self, source: str) -> str:
        """Itself as a document: the prefixes that are declared around it are declared by itself."""
        declarations = ""
        for prefix, namespace in self.scope.items():
            if prefix == "xml" or prefix in self.declares or (not prefix and not namespace):
                continue
            if not prefix or source.find(f"{prefix}:", self.begins, self.ends) >= 0:
                declarations += f' xmlns{":" if prefix else ""}{prefix}="{escape(namespace)}"'
        return source[self.begins : self.name_ends] + declarations + source[self.name_ends : self.ends]

    def content(self, source: str) -> str:
        """What is in it: its elements, or else its text."""
        if self.children:
            return "".join(child.alone(source) for child in self.children)
        return source[self.inner_begins : self.inner_ends].strip()


def parse(source: str) -> Element:
    """The element that a document consists of."""
    opened: list[Element] = []
    root: Element | None = None
    at = 0

    def skip(begin: int, end: str) -> int:
        found = source.find(end, begin)
        if found < 0:
            raise NotXml(f"`{end}` is missing", at)
        return found + len(end)

    def append(text: str) -> None:
        if opened:
            opened[-1].text += text
        elif text.strip().strip("\ufeff"):
            raise NotXml("there is text outside of the element", at)

    while at < len(source):
        if source[at] != "<":
            end = source.find("<", at)
            end = len(source) if end < 0 else end
            append(_unescape(source[at:end], at))
            at = end
        elif source.startswith("<!--", at):
            at = skip(at + 4, "-->")
        elif source.startswith("<![CDATA[", at):
            end = skip(at + 9, "]]>")
            append(source[at + 9 : end - 3])
            at = end
        elif source.startswith("<?", at):
            at = skip(at + 2, "?>")
        elif source.startswith("<!", at):
            raise NotXml("it declares a type of documents, which is not read", at)
        elif source.startswith("</", at):
            name = _NAME.match(source, at + 2)
            if not opened or name is None or opened[-1].name != name[0]:
                raise NotXml(f"`</{name[0] if name else ''}>` ends nothing", at)
            ended = opened.pop()
            ended.inner_ends = at
            at = ended.ends = skip(at, ">")
        else:
            element, empty = _begin(source, at, opened[-1].scope if opened else _OUTSIDE)
            if opened:
                opened[-1].children.append(element)
            elif root is not None:
                raise NotXml("there is a second element", at)
            root = root or element
            at = element.inner_begins
            if not empty:
                opened.append(element)
            if len(opened) > _DEEPEST:
                raise NotXml(f"it is nested deeper than {_DEEPEST}", at)
    if opened:
        raise NotXml(f"`{opened[-1].name}` does not end", opened[-1].begins)
    if root is None:
        raise NotXml("there is no element", 0)
    return root


_OUTSIDE: Mapping[str, str] = {"xml": "http://www.w3.org/XML/1998/namespace"}


def _begin(source: str, at: int, outer: Mapping[str, str]) -> tuple[Element, bool]:
    """An element's begin tag, and whether it is all of it."""
    name = _NAME.match(source, at + 1)
    if name is None:
        raise NotXml("`<` begins no element", at)
    place = name.end()
    declared: dict[str, str] = {}
    while (attribute := _ATTRIBUTE.match(source, place)) is not None:
        key, double, single = attribute.groups()
        if key == "xmlns" or key.startswith("xmlns:"):
            declared[key[6:]] = _unescape(single if double is None else double, place)
        place = attribute.end()
    ending = _ENDING.match(source, place)
    if ending is None:
        raise NotXml(f"the tag of `{name[0]}` is not as it must be", place)
    scope = {**outer, **declared} if declared else outer
    prefix, colon, local = name[0].partition(":")
    if not colon:
        prefix, local = "", name[0]
    if prefix and prefix not in scope:
        raise NotXml(f"the prefix `{prefix}` is not declared", at)
    end = ending.end()
    known = (scope.get(prefix, ""), scope, frozenset(declared))
    return Element(name[0], local, *known, at, name.end(), end, end, end), ending[1] == "/"


def _unescape(text: str, at: int) -> str:
    def character(found: re.Match[str]) -> str:
        whole, name = found[0], found[1]
        number = _NUMBER.fullmatch(name)
        if whole.endswith(";") and number is not None:
            point = int(number[1], 16) if number[1] else int(number[2])
            if point <= 0x10FFFF and not 0xD800 <= point < 0xE000:
                return chr(point)
        if whole.endswith(";") and name in _ENTITIES:
            return _ENTITIES[name]
        raise NotXml(f"`{whole}` is no entity that is known", at)

    return _ENTITY.sub(character, text) if "&" in text else text


def escape(text: str) -> str:
    """Text as XML has it, in content and in attributes. What XML has no way to say is replaced."""
    text = _UNSAYABLE.sub("\ufffd", text)
    for sign, said in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;")):
        text = text.replace(sign, said)
    return text
