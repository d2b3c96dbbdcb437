"""The page: everything is escaped, nothing comes from elsewhere, and what the picture shows stands in words too."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.server.explaining import HOSTILE, explainable, moved
from tilefold import Workspace
from tilefold.server import explain_page as explain_page_module
from tilefold.server.explain_json import as_json
from tilefold.server.explain_page import NARROW, SECURITY, WIDE, Failure, explain_page
from tilefold.server.explain_picture import picture
from tilefold.server.explain_query import Asked

VOID = {"meta", "link", "input", "br", "rect", "path", "line"}
ALLOWED_URLS = re.compile(r"explain|docs|explain\.json\?.*|explain\?.*|#[\w-]+|data:,")


class Page(HTMLParser):
    """A page taken apart; that its tags close in order is checked on the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """It must be that of the last one that is open."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text."""
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """What it says."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A stream view with tiles of every kind."""
    with explainable(tmp_path_factory.mktemp("page"), online_url, stream_url) as workspace:
        yield workspace


def asked(ws: Workspace, query: str) -> Page:
    """The page of a query."""
    request = Asked.of(query)
    return Page(explain_page(ws.definitions, request, request.answer(ws)))


def test_the_first_page_asks_for_a_view(ws: Workspace) -> None:
    """All views that are online, to choose from."""
    page = Page(explain_page(ws.definitions, Asked()))
    assert [each["value"] for each in page.of("option")] == ["spend"]
    assert page.of("form")[0]["action"] == "explain"


def test_a_view_asks_for_its_keys(ws: Workspace) -> None:
    """A field for each join key with its type, the features, a time; every field has a label."""
    page = Page(explain_page(ws.definitions, Asked.of("view=spend")))
    named = {each["name"] for each in [*page.of("input"), *page.of("select")]}
    assert named == {"view", "keys[user]", "feature", "at", "reference"}
    fields = {each["id"] for each in [*page.of("input"), *page.of("select")] if each.get("type") != "hidden"}
    assert fields == {each["for"] for each in page.of("label")}
    assert "user (String)" in page.text


def test_a_value_is_told_in_words(ws: Workspace) -> None:
    """The value, what it is worth, and how many tiles of which kind made it."""
    page = asked(ws, "view=spend&keys[user]=a&feature=units_sum_30d")
    assert "spend.units_sum_30d of user=a" in page.text
    assert re.search(r"332 ● PRESENT Made of 28 events: \d+ batch tiles, 3 stream tiles, 1 late tile. Read at", page.text)


def test_every_tile_of_the_picture_is_a_row(ws: Workspace) -> None:
    """A tile inside the window is a link with a name, in both pictures, to its row in the table."""
    page = asked(ws, "view=spend&keys[user]=a&feature=units_sum_30d")
    rows = {f"#{each['id']}" for each in page.of("tr") if "id" in each}
    links = [each for each in page.of("a") if str(each["href"]).startswith("#tile-")]
    assert {each["href"] for each in links} == rows
    assert len(links) == 2 * len(rows)
    assert all(re.match(r"Tile \d+: (batch|stream|late) tile, .* events", str(each["aria-label"])) for each in links)


def test_of_very_many_tiles_the_newest_are_listed(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the table leaves out is drawn without a link, and it is said how many that are."""
    monkeypatch.setattr(explain_page_module, "ROWS_MAX", 5)
    told = ws.explain("spend", {"user": "a"})
    drawn = picture(told, told.features[8], WIDE, listed=5)
    assert drawn is not None
    boxes = sorted((box for lane in drawn.lanes for box in lane.boxes), key=lambda box: box.row or 0)
    assert [box.listed for box in boxes] == [False] * 23 + [True] * 5
    page = asked(ws, "view=spend&keys[user]=a&feature=units_sum_30d")
    assert len([each for each in page.of("tr") if "id" in each]) == 5
    assert "The newest 5 are listed, 23 are not" in page.text


def test_nothing_comes_from_elsewhere(ws: Workspace) -> None:
    """No script, no handler, no inline style, and every address is one of ours."""
    page = asked(ws, "view=spend&keys[user]=a&reference=1")
    assert not page.of("script")
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset")]
        for name in ("href", "action"):
            assert ALLOWED_URLS.fullmatch(attributes.get(name) or "explain"), attributes
    assert "default-src 'none'" in SECURITY["content-security-policy"]


def test_the_only_style_is_the_one_that_the_policy_names(ws: Workspace) -> None:
    """The page's style has the hash that the header allows."""
    text = explain_page(ws.definitions, Asked())
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in SECURITY["content-security-policy"]


def test_what_people_send_is_escaped(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Keys, times and messages that are markup stay text."""
    with explainable(tmp_path, online_url, stream_url, HOSTILE) as ws:
        request = Asked("spend", (("user", HOSTILE),))
        told = request.answer(ws)
        assert told.features[0].value == 5
        page = Page(explain_page(ws.definitions, request, told, Failure(HOSTILE, HOSTILE)))
        wrong = Page(
            explain_page(ws.definitions, Asked("spend", (("user", HOSTILE),), HOSTILE, HOSTILE), None, Failure("No", HOSTILE))
        )
    assert not page.of("script")
    assert not wrong.of("script")
    assert f"user={HOSTILE}" in page.text
    assert HOSTILE in {each.get("value") for each in page.of("input")}


def test_the_comparison_is_told(ws: Workspace) -> None:
    """What plain Python makes of the event log stands beside each value."""
    page = asked(ws, "view=spend&keys[user]=a&feature=units_sum_30d&reference=1")
    assert "From the event log: 332. Plain Python went over 28 events. It agrees." in page.text
    assert page.text.count("agrees") == 1 + 16


def test_a_mistake_is_told_with_the_form(ws: Workspace) -> None:
    """What was typed stays in the form, beside the message."""
    page = Page(
        explain_page(ws.definitions, Asked.of("view=spend&keys[user]=a&at=now"), None, Failure("Not like this.", "Why."))
    )
    assert "Not like this. Why." in page.text
    assert {"a", "now"} <= {each.get("value") for each in page.of("input")}


def test_an_entity_without_events_has_no_tiles(ws: Workspace) -> None:
    """The page says so, and why."""
    page = asked(ws, "view=spend&keys[user]=nobody")
    assert "No event of this entity with such a value lies in the window." in page.text
    assert "No tile of this entity lies in the window." in page.text


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("number", range(16))
def test_pictures_stay_within_their_edges(ws: Workspace, width: float, number: int) -> None:
    """Of every feature, on both widths: all is drawn inside, tiles in the window are solid, the others hollow."""
    told = ws.explain("spend", {"user": "a"})
    feature = told.features[number]
    drawn = picture(told, feature, width)
    assert drawn is not None
    boxes = [box for lane in drawn.lanes for box in lane.boxes]
    assert all(box.x >= 0 and box.x + box.width <= width and box.y + box.height < drawn.height for box in boxes)
    assert sorted(box.row for box in boxes if box.row is not None) == list(range(len(feature.shares)))
    assert max(box.fill for box in boxes if box.row is not None) == pytest.approx(26)


def test_recent_times_may_have_more_room(ws: Workspace) -> None:
    """The axis may be chosen; the page says which one it is, and has a link to the other one."""
    query = "view=spend&keys[user]=a&feature=units_sum_30d"
    even, recent = asked(ws, f"{query}&axis=even"), asked(ws, f"{query}&axis=recent")
    assert "Time in UTC, even. Give recent times more room" in even.text
    assert "Time before the newest, logarithmic. Show time evenly" in recent.text
    assert "\N{MINUS SIGN}1 h" in recent.text


def test_a_stale_value_says_why_and_marks_the_tile(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Where an edge cuts a tile the reason stands beside the value, and the tile has a mark."""
    with explainable(tmp_path, online_url, stream_url, merged=True) as ws:
        moved(ws, 36.0)
        page = asked(ws, "view=spend&keys[user]=a&feature=units_sum_30d")
    assert "An edge of the window cuts a tile" in page.text
    assert "cut by an edge of the window" in page.text
    assert "cut" in {each.get("class") for each in page.of("text")}


def test_it_is_json_too(ws: Workspace) -> None:
    """The same as JSON: one feature where one is asked for, and shares that name their tiles."""
    told = ws.explain("spend", {"user": "a"}, reference=True)
    found = json.loads(json.dumps(as_json(told, "units_sum_30d"), allow_nan=False))
    (feature,) = found["features"]
    assert (feature["value"], feature["status"], found["reference"]["verdicts"]["spend.units_sum_30d"]) == (
        332,
        "PRESENT",
        "agrees",
    )
    assert sum(share["value"] for share in feature["shares"]) == 332
    assert len(as_json(told)["features"]) == 16
    assert {found["tiles"][share["tile"]]["kind"] for share in feature["shares"]} == {"batch", "stream", "late"}
