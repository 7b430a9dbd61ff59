"""The OpenAPI document says what routes.py does."""

from __future__ import annotations

import json
import re

import msgspec

from fastconnect.rest.openapi import document
from fastconnect.rest.routes import ROUTES

DOCUMENT = json.loads(document())


def test_each_route_is_in_the_document_and_nothing_else():
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_each_operation_has_a_summary_and_a_name_of_its_own():
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert all(operation["summary"].endswith(".") for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)


def test_each_reference_leads_somewhere():
    for reference in re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(DOCUMENT)):
        found = DOCUMENT
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_each_answer_of_a_route_is_described_with_its_type():
    for route in ROUTES:
        answers = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        for status, kind in route.answers.items():
            assert ("content" in answers[str(status)]) == (kind is not None), route
        assert {"400", "401", "404", "500"} <= set(answers)
        assert ("409" in answers) == ("forward" in route.query)


def test_each_parameter_of_a_path_is_described():
    for route in ROUTES:
        named = set(re.findall(r"{(\w+)}", route.path))
        described = DOCUMENT["paths"][route.path][route.method.lower()]["parameters"]
        assert {each["name"] for each in described if each["in"] == "path"} == named
        assert {each["name"] for each in described if each["in"] == "query"} == set(route.query)


def test_it_is_served(client):
    answer = client.ask("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert msgspec.json.decode(answer.body)["openapi"] == "3.1.0"
