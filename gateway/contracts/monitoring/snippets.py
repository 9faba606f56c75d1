"""Texts to paste into jobs, each of which pings (contract monitoring 6.2)."""

import msgspec


class Snippets(msgspec.Struct):
    """How to ping, by where the job is written."""

    curl: str
    wget: str
    python: str
    go: str
    bash: str
    docker_healthcheck: str


def write_snippets(url: str) -> Snippets:
    """The texts for a ping address."""
    return Snippets(
        curl=f"curl -fsS -m 10 --retry 5 -o /dev/null {url}",
        wget=f"wget -q -T 10 -t 5 -O /dev/null {url}",
        python=f'import urllib.request\n\nurllib.request.urlopen("{url}", timeout=10)\n',
        go=GO % url,
        bash=BASH % url,
        docker_healthcheck=(
            f"HEALTHCHECK --interval=1m --timeout=15s --retries=1 CMD your-check && wget -q -T 10 -O /dev/null {url} || exit 1"
        ),
    )


GO = """package main

import (
	"net/http"
	"time"
)

func main() {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get("%s")
	if err == nil {
		response.Body.Close()
	}
}
"""
BASH = """#!/bin/bash
ping=%s
curl -fsS -m 10 --retry 5 -o /dev/null "$ping/start"
your-command
curl -fsS -m 10 --retry 5 -o /dev/null "$ping/$?"
"""
