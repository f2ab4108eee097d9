"""Links of what a proxied server answers, made to lead through the proxy again: of redirects, and in HTML.

A link to another host, or relative to the page, stays as it is. HTML is scanned for the values of those attributes that
are links, and nothing else of it is touched; scripts, styles and comments are passed over.
Source: Kubernetes' proxy transport; html.spec.whatwg.org/multipage/indices.html for the attributes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from typing import Final
from urllib.parse import urlsplit

_ATTRIBUTES: Final = {
    "a": ("href",),
    "applet": ("codebase",),
    "area": ("href",),
    "audio": ("src",),
    "base": ("href",),
    "blockquote": ("cite",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "del": ("cite",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("longdesc", "src"),
    "head": ("profile",),
    "html": ("manifest",),
    "iframe": ("longdesc", "src"),
    "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"),
    "ins": ("cite",),
    "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"),
    "q": ("cite",),
    "script": ("src",),
    "source": ("src",),
    "video": ("poster", "src"),
}
_OPENING: Final = re.compile(r"<(?:(?P<comment>!--)|(?P<name>[a-zA-Z][^\s/>]*))")
_REST_OF_TAG: Final = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*+>""")
_VALUE: Final = re.compile(r"""([^\s=/>"']++)(\s*+=\s*+)("[^"]*"|'[^']*'|[^\s"'>]++)""")
_RAW_ENDS: Final = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title")}


@dataclass(frozen=True, slots=True)
class Links:
    """How links are changed.

    prefix: the path of the proxy. host: of the server behind it. asked_host: as which the client knows this server.
    """

    prefix: str
    host: str
    asked_host: str

    def led(self, link: str) -> str:
        """Return a link, through the proxy if it leads to the same server."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        if not parts.path.startswith("/") or parts.netloc not in ("", self.host, self.asked_host):
            return link
        before, host, after = link.partition(f"//{parts.netloc}") if parts.netloc else ("", "", link)
        kept = before + host if parts.netloc == self.asked_host else ""
        return kept + (after if self._is_within(parts.path) else self.prefix + after)

    def _is_within(self, path: str) -> bool:
        return path == self.prefix or path.startswith(self.prefix + "/")

    def html(self, text: str) -> str:
        """Return a page with its links changed."""
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        place = 0
        while (opening := _OPENING.search(text, place)) is not None:
            yield text[place : opening.start()]
            place = opening.start()
            end = _end_of(text, opening)
            if end < 0:
                break
            name = (opening["name"] or "").lower()
            tag = text[place:end]
            yield self._tag(name, tag) if name in _ATTRIBUTES else tag
            place = end
            if name in _RAW_ENDS:
                closing = _RAW_ENDS[name].search(text, end)
                place = closing.start() if closing else len(text)
                yield text[end:place]
        yield text[place:]

    def _tag(self, name: str, tag: str) -> str:
        def changed(match: re.Match[str]) -> str:
            attribute, equals, value = match.groups()
            if attribute.lower() not in _ATTRIBUTES[name]:
                return match[0]
            quote = value[0] if value[0] in "\"'" else ""
            link = unescape(value.strip(quote) if quote else value)
            led = self.led(link)
            return match[0] if led == link else f"{attribute}{equals}{quote}{escape(led)}{quote}"

        return tag[: 1 + len(name)] + _VALUE.sub(changed, tag[1 + len(name) :])


def _end_of(text: str, opening: re.Match[str]) -> int:
    """Return where a comment or a tag that was opened ends, -1 where it doesn't."""
    if opening["comment"]:
        end = text.find("-->", opening.end())
        return end + 3 if end >= 0 else -1
    rest = _REST_OF_TAG.match(text, opening.end())
    return rest.end() if rest else -1
