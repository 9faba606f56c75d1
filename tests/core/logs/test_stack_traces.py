from collections.abc import Sequence

import pytest

from lumetry_core.logs.stack_traces import Style, read_trace

NODE = [
    "PaymentError: Insufficient funds",
    "    at Object.charge (/srv/app/dist/payments/charge.js:42:13)",
    "    at async new Checkout (file:///srv/app/dist/checkout-3f2a9b1c.mjs:7:1)",
    "    at https://cdn.example/assets/main-0a1b2c3d4e.js?v=3:1:2045",
    "    at processTicksAndRejections (node:internal/process/task_queues:95:5)",
    "    at /srv/app/node_modules/express/lib/router.js:9:2",
]
PYTHON = [
    '  File "/usr/lib/python3.11/runpy.py", line 88, in _run_code\n    exec(code, run_globals)\n',
    '  File "/srv/app/main.py", line 8, in <module>\n    pay(order)\n    ^^^^^^^^^^\n',
    '  File "/srv/app/shop/payments.py", line 120, in pay\n    raise PaymentError\n',
]
GO = [
    "/go/pkg/mod/example.com/client@v1.2.0/logger.go:233",
    "/srv/app/shop/payments.go:57",
    "/srv/app/main.go:19",
    "/usr/local/go/src/runtime/proc.go:271",
    "/usr/local/go/src/runtime/asm_amd64.s:1695",
]


@pytest.mark.parametrize(
    ("entries", "style", "frames"),
    [
        (NODE, Style.JAVASCRIPT, ("payments/charge.js:charge", "dist/checkout.mjs:Checkout", "assets/main.js:?")),
        (["\n".join(NODE)], Style.JAVASCRIPT, ("payments/charge.js:charge", "dist/checkout.mjs:Checkout", "assets/main.js:?")),
        (NODE[4:], Style.JAVASCRIPT, ("process/task_queues:processTicksAndRejections", "lib/router.js:?")),
        (
            ["at eval (eval at run (C:\\app\\src\\run.js:1:1), <anonymous>:3:7)", "at Array.forEach (<anonymous>)"],
            Style.JAVASCRIPT,
            ("src/run.js:eval", "<anonymous>:Array.forEach"),
        ),
        (PYTHON, Style.PYTHON, ("shop/payments.py:pay", "app/main.py:<module>")),
        (["".join(PYTHON)], Style.PYTHON, ("shop/payments.py:pay", "app/main.py:<module>")),
        (['File "<string>", line 3'], Style.PYTHON, ("<string>:?",)),
        (GO, Style.GO, ("shop/payments.go:?", "app/main.go:?")),
        (GO[:1] + GO[3:], Style.GO, ()),
        (["Shop.pay:12", "  in Main at 0x7ffe12 ", ""], Style.OTHER, ("Shop.pay:<num>", "in Main at <hex>")),
        ([], Style.OTHER, ()),
    ],
)
def test_frames(entries: Sequence[str], style: Style, frames: Sequence[str]) -> None:
    """Each library's order and forms; frames of libraries count where there are no others."""
    trace = read_trace(entries)
    assert (trace.style, trace.frames) == (style, tuple(frames))
