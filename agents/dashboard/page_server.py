"""Serves the dashboard's page over HTTP: who has the token sees it, and nobody else sees anything.

The token stands in the URL that is printed. The first request with it leaves a cookie, so that it stays out of links.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from journeys.agents.dashboard.checking import LastCheck
from journeys.agents.dashboard.figures import VIEWS, Figures
from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.journey_page import LEAST_HOURS, MOST_HOURS, JourneyPage, journey_page
from journeys.agents.dashboard.topic_source import TopicNow
from journeys.analytics.journey_words import duration_text, instant_text
from journeys.analytics.page_text import page_text
from journeys.schemas.money import format_dollars
from journeys.streams.rule.policy import InvalidPolicyError, Policy

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STATIC: Final = {"icon.svg": "image/svg+xml", "page.css": "text/css", "page.js": "text/javascript"}
LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_TOKEN_BYTES: Final = 24
_EVENT_SECONDS: Final = 1.0
_LONGEST_QUERY: Final = 4_096
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageServer:
    """The views over one index. `name` says what is looked at, `policies` are shown beside the one in force."""

    def __init__(
        self,
        index: JourneyIndex,
        name: str,
        policies: list[Policy],
        host: str,
        topic: Callable[[], TopicNow] | None = None,
        check: LastCheck | None = None,
    ) -> None:
        """`host` is listened on: asked for under another name, the page may be meant for somebody else's.

        `topic` says how a live input topic stands; without it what is looked at does not grow. `check` can be run from
        the page.
        """
        self._topic = topic
        self._check = check
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._cookie = f"journeys-{secrets.token_hex(4)}"  # cookies don't know ports: two dashboards must not share one
        self._index = index
        self._figures = Figures(index)
        self._name = name
        self._policies = policies
        self._hosts = LOOPBACK if host in LOOPBACK else {host}
        self._pages = _environment()
        folder = Path(__file__).parent / "static"
        self._static = {file: (folder / file).read_bytes() for file in _STATIC}

    def application(self) -> web.Application:
        """The application, for any server of aiohttp's."""
        app = web.Application(middlewares=[self._guard], client_max_size=0)
        app.router.add_get("/", self._now)
        app.router.add_get("/events", self._events)
        app.router.add_get("/journeys", self._journeys)
        app.router.add_get("/journey", self._journey)
        app.router.add_get("/trust", self._trust)
        app.router.add_post("/trust", self._run_check)
        app.router.add_get("/static/{file}", self._file)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        answer = await self._guarded(request, handler)
        if not answer.prepared:
            answer.headers.update(_HEADERS)
        return answer

    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.url.host not in self._hosts:
            return _refused()
        given = request.query.get("token")
        if given is not None:
            if not self._is_token(given):
                return _refused()
            rest = [(name, value) for name, value in request.query.items() if name != "token"]
            answer = web.Response(
                status=HTTPStatus.SEE_OTHER, headers={"Location": str(request.rel_url.with_query(rest))}
            )
            answer.set_cookie(self._cookie, self.token, httponly=True, samesite="Lax", secure=request.secure, path="/")
            return answer
        if not self._is_token(request.cookies.get(self._cookie, "")):
            return _refused()
        if len(request.query_string) > _LONGEST_QUERY:
            return self._page("message.html", HTTPStatus.BAD_REQUEST, title="Too long", text="The address is too long.")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._page(
                "message.html", HTTPStatus(error.status), title=error.reason, text="There is no such view."
            )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    async def _now(self, _: web.Request) -> web.Response:
        return self._page("now.html", **self._now_values())

    def _now_values(self) -> dict[str, Any]:
        topic = None if self._topic is None else self._topic()
        return {"view": "now", "now": self._figures.now, "policy": self._policy_text(), "topic": topic}

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The changing part of Now as HTML, each second, as server-sent events."""
        if self._topic is None:
            raise web.HTTPNotFound
        answer = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with suppress(ConnectionResetError):  # whoever looked has gone
            while True:
                text = self._pages.get_template("now_figures.html").render(self._now_values())
                lines = "".join(f"data: {line}\n" for line in text.splitlines())
                await answer.write(f"{lines}\n".encode())
                await asyncio.sleep(_EVENT_SECONDS)
        return answer

    async def _journeys(self, request: web.Request) -> web.Response:
        asked = {name: _whole(value) for name, value in request.query.items() if value}
        text = asked.get("q", "").strip()
        view = asked.get("view", "costliest")
        page = int(asked["page"]) if asked.get("page", "").isascii() and asked.get("page", "").isdigit() else 0
        if view not in VIEWS:
            view = "costliest"
        found = self._figures.found(text) if text else []
        listed = None if text else self._figures.listed(view, asked, page)
        return self._page(
            "journeys.html",
            view="journeys",
            views=VIEWS,
            chosen=view,
            asked=asked,
            text=text,
            page=page,
            found=found,
            listed=listed,
        )

    async def _journey(self, request: web.Request) -> web.Response:
        journey_id = _whole(request.query.get("id", ""))
        log = self._index.log_of(journey_id)
        if log is None:
            text = f"No record of a journey {journey_id!r} is here. Its id has to be whole; a search finds beginnings."
            return self._page("message.html", HTTPStatus.NOT_FOUND, title="No such journey", text=text)
        hours, days = request.query.get("hours"), request.query.get("days")
        fault = None
        try:
            shown: JourneyPage = journey_page(log, self._policies, hours, days)
        except InvalidPolicyError as error:
            fault, shown = str(error), journey_page(log, self._policies)
        in_force = shown.present.trace.policy.deadlines
        template = "machine.html" if request.query.get("part") == "machine" else "journey.html"
        return self._page(
            template,
            HTTPStatus.OK if fault is None else HTTPStatus.BAD_REQUEST,
            view="journeys",
            shown=shown,
            fault=fault,
            hours=hours or f"{in_force.inactivity_hours.normalize():f}",
            days=days or "",
            days_in_force=f"{in_force.timeout_days.normalize():f}",
            least_hours=LEAST_HOURS,
            most_hours=MOST_HOURS,
        )

    async def _trust(self, _: web.Request) -> web.Response:
        return self._page(
            "trust.html", view="trust", now=self._figures.now, faults=self._figures.faults(), check=self._check
        )

    async def _run_check(self, request: web.Request) -> web.Response:
        """Begin the check; asked for by this page alone, as a browser says of each form that it sends."""
        if self._check is None or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return _refused()
        self._check.start()
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/trust"})

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        if name not in self._static:
            raise web.HTTPNotFound
        return web.Response(body=self._static[name], content_type=_STATIC[name], charset="utf-8")

    def _policy_text(self) -> str:
        policy = self._index.parts[0].policy
        return "as the log says, at each time" if policy is None else policy.version

    def _page(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> web.Response:
        text = self._pages.get_template(template).render({"view": "", "name": self._name} | values)
        return web.Response(status=status, text=text, content_type="text/html")


def _whole(text: str) -> str:
    """Text of a URL as UTF-8 can say it; what can't be is no id."""
    return text.encode("utf-8", "replace").decode()


def _refused() -> web.Response:
    text = "This page is for who has its address with the token, which `journeys dashboard` prints.\n"
    return web.Response(status=HTTPStatus.FORBIDDEN, text=text)


def _environment() -> Environment:
    pages = Environment(
        loader=PackageLoader("journeys.agents.dashboard"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every value that a page shows goes through here, and is escaped by it.
        finalize=_shown,
    )
    pages.filters |= {
        "dollars": _dollars,
        "instant": instant_text,
        "duration": duration_text,
        "number": lambda number: f"{number:,}",
    }
    return pages


def _dollars(micros: int | None) -> str:
    if micros is None:
        return "-"
    return f"-${format_dollars(-micros)}" if micros < 0 else f"${format_dollars(micros)}"


def _shown(value: Any) -> Any:
    return Markup(page_text(value)) if isinstance(value, str) and not isinstance(value, Markup) else value  # noqa: S704
