"""E2B's rules for a sandbox's network configuration, with the wording of its refusals."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

ALL_TRAFFIC = "0.0.0.0/0"

_MAX_DOMAINS = 10
_MAX_DOMAIN = 128  # characters
_MAX_HEADERS = 20
_MAX_NAME = 64  # characters
_MAX_VALUE = 2048  # characters
_DNS_NAME = re.compile(r"([a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})*\.?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def problem(network: Mapping[str, Any]) -> str:
    """Why this configuration is refused; "" when it is accepted."""
    allowed: list[str] = network.get("allowOut") or []
    denied: list[str] = network.get("denyOut") or []
    for entry in denied:
        if not _is_address(entry):
            return f"invalid denied CIDR {entry}"
    if any(not _is_address(entry) for entry in allowed) and ALL_TRAFFIC not in denied:
        return (
            "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out "
            "to block all other traffic."
        )
    return _rules_problem(network.get("rules") or {})


def _is_address(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


def _rules_problem(rules: Mapping[str, list[Mapping[str, Any]]]) -> str:
    if len(rules) > _MAX_DOMAINS:
        return f"Network rules can have at most {_MAX_DOMAINS} domains."
    for domain, transforms in rules.items():
        if not domain:
            return "Rule domain must not be empty."
        if len(domain) > _MAX_DOMAIN:
            return f'Rule domain "{domain}" exceeds maximum length of {_MAX_DOMAIN} characters.'
        if _is_address(domain) or not _DNS_NAME.fullmatch(domain):
            return f'Rule domain "{domain}" is not a valid domain name.'
        if len(transforms) > 1:
            return f'Domain "{domain}" can have at most 1 transform rule.'
        for transform in transforms:
            headers = (transform.get("transform") or {}).get("headers") or {}
            if found := _headers_problem(domain, headers):
                return found
    return ""


def _headers_problem(domain: str, headers: Mapping[str, str]) -> str:
    if len(headers) > _MAX_HEADERS:
        return f'Domain "{domain}" can have at most {_MAX_HEADERS} headers per rule.'
    for name, value in headers.items():
        if not name:
            return f'Header name in rule for domain "{domain}" must not be empty.'
        if not _HEADER_NAME.fullmatch(name):
            return f'Header name "{name}" in rule for domain "{domain}" must not contain CR or LF characters.'
        if len(name) > _MAX_NAME:
            return (
                f'Header name "{name}" in rule for domain "{domain}" exceeds maximum length of {_MAX_NAME} characters.'
            )
        if "\r" in value or "\n" in value:
            return f'Value for header "{name}" in rule for domain "{domain}" must not contain CR or LF characters.'
        if len(value) > _MAX_VALUE:
            return (
                f'Value for header "{name}" in rule for domain "{domain}" exceeds maximum length of '
                f"{_MAX_VALUE} characters."
            )
    return ""
