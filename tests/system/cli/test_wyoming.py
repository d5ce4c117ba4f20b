"""``doctor`` and the port for Home Assistant: what is asked, and what cannot work."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from speechhub.services import inspection


def info(name):
    models = [{"name": str(number), "languages": ["en"], "installed": True} for number in range(3)]
    data = json.dumps(
        {"asr": [{"name": name, "models": models}], "tts": [{"name": name, "voices": [{}, {}]}]}
    )
    return json.dumps({"type": "info", "data_length": len(data)}).encode() + b"\n" + data.encode()


@contextmanager
def answering(reply):
    """Answer every connection with *reply*; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            try:
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(1024)
                        client.sendall(reply)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def ask(run, monkeypatch):
    """Return the exit status, and the lines about the port for Home Assistant."""

    def doctor(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"SPEECHHUB_{name}", str(value))
        shown = run("doctor")
        return shown.exit_code, [
            one for one in shown.stdout.splitlines() if "wyoming" in one or "Home A" in one
        ]

    return doctor


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_port_that_is_off_is_not_checked(ask):
    assert ask() == (0, [])


def test_a_free_port_is_no_problem(ask):
    status, [line] = ask(WYOMING_PORT=(port := free_port()))

    assert status == 0
    assert line.startswith(f"  ok  port for Home Assistant: 127.0.0.1:{port} is free: ")


def test_a_hub_on_the_port_says_what_it_offers(ask):
    with answering(info("speechhub")) as port:
        status, [line] = ask(WYOMING_PORT=port)

    offered = "3 models for speech to text and 2 voices"
    assert status == 0
    assert line == f"  ok  port for Home Assistant: 127.0.0.1:{port} answers, with {offered}"


@pytest.mark.scenario("wyoming-taken")
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (info("piper"), "That program speaks Wyoming, and is called piper."),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "or stop the program that uses this one."),
        (b'{"type": "info", "data": {"asr": 1}}\n', "or stop the program that uses this one."),
        (b'{"type": "info", "data": []}\n', "or stop the program that uses this one."),
        (b'{"type": "info", "data_length": 99999999999}\n', "or stop the program that uses this one."),
        (b'{"type": "info", "data": {"asr": [[]]}}\n', "or stop the program that uses this one."),
        (b'{"type": "info", "data": {"asr": [{"models": 7}]}}\n', "or stop the program that uses this one."),
        (b"[]\n", "or stop the program that uses this one."),
        (b"", "or stop the program that uses this one."),
    ],
)
def test_another_program_on_the_port_is_a_failure(ask, reply, said):
    """The line names the setting; an answer that cannot be read causes no traceback."""
    with answering(reply) as port:
        status, [line] = ask(WYOMING_PORT=port)

    assert status == 1
    assert line.startswith("FAIL  port for Home Assistant: Cannot listen on")
    assert "SPEECHHUB_WYOMING_PORT" in line
    assert line.endswith(said)


def test_a_server_that_offers_nothing_may_be_one_without_engines(ask):
    """It is a failure, because Home Assistant cannot use it; the line names both causes."""
    with answering(b'{"type": "info"}\n') as port:
        status, [line] = ask(WYOMING_PORT=port)

    assert status == 1
    assert line.startswith(
        f"FAIL  port for Home Assistant: 127.0.0.1:{port} answers, and offers neither models"
    )
    assert "install engines" in line
    assert "SPEECHHUB_WYOMING_PORT" in line


@pytest.mark.parametrize("host", ["0.0.0.0:10300", "tcp://0.0.0.0", "a b", "::1::"])
def test_an_address_with_anything_else_in_it_is_a_failure(ask, host):
    status, lines = ask(WYOMING_PORT=free_port(), WYOMING_HOST=host)

    assert status == 1
    assert any(line.startswith(f"FAIL  wyoming_host: {host!r} is not an address") for line in lines)


@pytest.mark.parametrize(
    ("hosts", "collides"),
    [
        (("127.0.0.1", "127.0.0.1"), True),
        (("0.0.0.0", "127.0.0.1"), True),
        (("127.0.0.1", "0.0.0.0"), True),
        (("127.0.0.1", "127.0.0.2"), False),
    ],
)
def test_the_port_of_http_is_a_failure_where_both_would_listen(ask, hosts, collides):
    port = free_port()

    status, lines = ask(PORT=port, WYOMING_PORT=port, HOST=hosts[0], WYOMING_HOST=hosts[1])

    assert any(line.startswith("FAIL  wyoming_port: ") for line in lines) is collides
    assert status == collides


@pytest.mark.scenario("wyoming-open")
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"WYOMING_HOST": "127.0.0.1", "API_KEYS": "mine"}, False),
        ({"WYOMING_HOST": "0.0.0.0", "API_KEYS": "mine"}, True),
        ({"WYOMING_HOST": "0.0.0.0"}, True),
        ({"HOST": "0.0.0.0", "API_KEYS": "mine"}, True),
        ({"HOST": "0.0.0.0", "WYOMING_HOST": "127.0.0.1", "API_KEYS": "mine"}, False),
    ],
)
def test_a_port_without_keys_is_told_where_http_has_keys_or_is_closed(ask, values, told):
    """It is a warning and not a failure: a firewall may protect the port."""
    status, lines = ask(WYOMING_PORT=free_port(), **values)

    assert status == 0
    assert any(line.startswith("warn  wyoming_host: ") and "no keys" in line for line in lines) is told


def test_announcing_without_the_package_is_a_failure_with_the_command_that_installs_it(ask, monkeypatch):
    monkeypatch.setattr(inspection, "find_spec", lambda name: None)

    status, lines = ask(WYOMING_PORT=free_port(), WYOMING_HOST="0.0.0.0", WYOMING_ZEROCONF="true")

    assert status == 1
    [line] = [line for line in lines if line.startswith("FAIL")]
    assert "wyoming_zeroconf: the package zeroconf is not installed. Install it: " in line
    assert "-m pip install 'speechhub[zeroconf]'" in line


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"WYOMING_PORT": "0"}, "nothing is announced, because wyoming_port is 0"),
        ({}, "it is announced to this machine alone"),
    ],
)
def test_an_announcement_that_no_other_machine_can_see_is_a_warning(ask, values, said):
    status, lines = ask(**{"WYOMING_PORT": free_port(), "WYOMING_ZEROCONF": "true"} | values)

    assert status == 0
    assert any(line.startswith("warn  wyoming_zeroconf: ") and said in line for line in lines)


def test_serve_refuses_a_number_that_is_not_a_port(run):
    refused = run("serve", "--wyoming-port", "70000")

    assert refused.exit_code == 1
    assert "wyoming_port" in refused.output
