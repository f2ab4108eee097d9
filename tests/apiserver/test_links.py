"""Links in what a proxied server answers are led through the proxy; everything else of a page stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.relay.links import Links

PREFIX = "/api/v1/namespaces/default/pods/web/proxy"
LINKS = Links(PREFIX, "10.0.0.1:80", "api.example:6443")


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("/a/b?c=d#e", f"{PREFIX}/a/b?c=d#e"),
        ("/", f"{PREFIX}/"),
        ("http://10.0.0.1:80/a", f"{PREFIX}/a"),
        ("//10.0.0.1:80/a", f"{PREFIX}/a"),
        ("https://api.example:6443/a", f"https://api.example:6443{PREFIX}/a"),
        ("a/b", "a/b"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("http://elsewhere/a", "http://elsewhere/a"),
        ("mailto:me@example", "mailto:me@example"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
        (f"{PREFIX}ies/a", f"{PREFIX}{PREFIX}ies/a"),
        ("http://[odd/a", "http://[odd/a"),
        ("", ""),
    ],
)
def test_a_link_to_the_same_server_leads_through_the_proxy(link: str, led: str) -> None:
    assert LINKS.led(link) == led


@pytest.mark.parametrize(
    ("page", "changed"),
    [
        ('<a href="/x">/x</a>', f'<a href="{PREFIX}/x">/x</a>'),
        ("<A HREF = '/x' >", f"<A HREF = '{PREFIX}/x' >"),
        ("<img src=/x alt=/x>", f"<img src={PREFIX}/x alt=/x>"),
        ('<a title="> /x" href="/y?a=1&amp;b=2">', f'<a title="> /x" href="{PREFIX}/y?a=1&amp;b=2">'),
        ('<div href="/x">', '<div href="/x">'),
        ('<!-- <a href="/x"> -->', '<!-- <a href="/x"> -->'),
        (
            '<script src="/s">"<a href=/x>"</script><a href=/y>',
            f'<script src="{PREFIX}/s">"<a href=/x>"</script><a href={PREFIX}/y>',
        ),
        ('<a href="/never closed', '<a href="/never closed'),
        ("1 < 2 & <b>", "1 < 2 & <b>"),
    ],
)
def test_only_the_links_of_a_page_are_changed(page: str, changed: str) -> None:
    assert LINKS.html(page) == changed


@given(st.text(alphabet="<a href='/\"x>!-script =", max_size=200))
def test_a_page_of_rubbish_keeps_all_of_its_text(page: str) -> None:
    """What is no link is there afterwards, in its order: nothing is swallowed."""
    assert LINKS.html(page).replace(PREFIX, "") == page.replace(PREFIX, "")
