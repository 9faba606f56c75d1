import pytest

from gateway.transcode.failures import Failure, Reason
from gateway.transcode.routes import Route, build_router

ROUTER = build_router(
    [
        Route(method="GET", path="/updates/{name:rest}", heading="x"),
        Route(method="GET", path="/updates/summary", heading="x"),
        Route(method="GET", path="/updates/{id:int}/log", heading="x"),
        Route(method="DELETE", path="/updates/pin/{name:rest}", heading="x"),
    ]
)


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/updates/a", "/updates/{name}", {"name": "a"}),
        ("/updates/shop/web-1/app", "/updates/{name}", {"name": "shop/web-1/app"}),
        ("/updates/shop%2Fweb", "/updates/{name}", {"name": "shop/web"}),
        ("/updates/a//b", "/updates/{name}", {"name": "a//b"}),
        ("/updates/summary", "/updates/summary", {}),
        ("/updates/7/log", "/updates/{id}/log", {"id": "7"}),
    ],
)
def test_find_the_rest_of_a_path(path: str, template: str, values: dict[str, str]) -> None:
    """A placeholder at the end may take slashes; literal segments and placeholders of one segment win over it."""
    match = ROUTER.find("GET", path)
    assert (match.route.template, match.values) == (template, values)


@pytest.mark.parametrize("path", ["/updates", "/updates/", "/updates/%00", "/other/a"])
def test_find_no_rest(path: str) -> None:
    """Something must be left of the path, and it holds no NUL."""
    with pytest.raises(Failure) as caught:
        ROUTER.find("GET", path)
    assert caught.value.reason is Reason.ROUTE_NOT_FOUND
