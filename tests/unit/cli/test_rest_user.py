"""`fastconnect rest-user` makes lines that the REST API reads."""

from __future__ import annotations

from click.testing import CliRunner

from fastconnect.cli.rest_user import rest_user
from fastconnect.errors import ConfigError
from fastconnect.rest.users import Users


def test_the_line_is_read_and_holds_no_password(tmp_path):
    made = CliRunner().invoke(rest_user, ["grafana", "--role", "read"], input="hunter2\n")
    assert made.exit_code == 0
    assert "hunter2" not in made.output
    file = tmp_path / "users"
    file.write_text(made.output)
    file.chmod(0o600)
    users = Users.read(file)
    assert users.check("grafana", "hunter2") == "read"
    assert users.known("grafana", "hunter2") == "read"
    assert users.check("grafana", "hunter3") is None


def test_without_a_password_there_is_no_line():
    assert CliRunner().invoke(rest_user, ["grafana"], input="").exit_code == 2


def test_a_name_that_cannot_be_is_refused():
    made = CliRunner().invoke(rest_user, ["a:b"], input="x\n")
    assert isinstance(made.exception, ConfigError)
