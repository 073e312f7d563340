"""infra/ and the workflow of GitHub Actions: what docs/deploy.md and .ci/run say, and nothing else.

Terraform's provider for Google Cloud comes from a registry, so what it alone knows, the names of
resources and their fields, is not checked here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from image import CHECKOUT

INFRA = CHECKOUT / "infra"
MODULE = INFRA / "modules" / "pipeline"
DEPLOY = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
WHO = {"natality": "runner", "natality-build": "builder", "you": "engineers"}

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not installed"
)


def declared() -> dict[str, Any]:
    """APIs and roles, as Terraform reads them too."""
    return json.loads((MODULE / "access.tf.json").read_text(encoding="utf-8"))["locals"]


def documented() -> dict[str, dict[str, list[str]]]:
    """By account and by what it is for, the roles that the table of docs/deploy.md lists."""
    _, _, table = DEPLOY.partition("| account | role | on | why |\n")
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    account = ""
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        account = cells[0].strip("` ") or account
        roles = re.findall(r"`([\w.]+)`", cells[1])
        on = cells[2].strip("` ")
        if roles == ["iam.serviceAccountUser"]:
            found[WHO[account]]["acts_as"].append(WHO[account if on == "itself" else on])
        else:
            found[WHO[account]][on] += roles
    return found


def test_accounts_may_do_what_the_documents_say() -> None:
    given = declared()["access"]
    told = documented()
    assert set(given) == set(told) == set(WHO.values())
    for who, access in given.items():
        assert {on: sorted(roles) for on, roles in access.items()} == {
            on: sorted(roles) for on, roles in told[who].items()
        }


def test_the_same_apis_are_enabled() -> None:
    command = re.search(r"gcloud services enable ((?:[\w.]+ |\\\n +)+[\w.]+)\n", DEPLOY)
    assert command
    names = re.findall(r"([a-z]+)\.googleapis\.com", command[1])
    assert sorted(names) == declared()["apis"]


def test_both_environments_set_every_variable() -> None:
    declared_ = set(re.findall(r'^variable "(\w+)"', (MODULE / "variables.tf").read_text(), re.M))
    for name in ("dev", "prod"):
        folder = INFRA / "environments" / name
        main = (folder / "main.tf").read_text(encoding="utf-8")
        (call,) = re.findall(r'module "pipeline" \{\n(.*?)\n\}', main, re.DOTALL)
        assert set(re.findall(r"^  (\w+) +=", call, re.MULTILINE)) - {"source"} == declared_
        own = (folder / "variables.tf").read_text(encoding="utf-8")
        required = {
            variable
            for variable, body in re.findall(r'variable "(\w+)" \{(.*?)\n\}', own, re.DOTALL)
            if "default" not in body
        }
        example = (folder / "terraform.tfvars.example").read_text(encoding="utf-8")
        assert set(re.findall(r"^(\w+) +=", example, re.MULTILINE)) == required


@pytest.fixture
def terraform(tmp_path: Path) -> Callable[..., str]:
    """Runs Terraform, which reads no settings of whoever runs the tests."""
    (tmp_path / "rc").touch()
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    variables |= {"TF_CLI_CONFIG_FILE": str(tmp_path / "rc"), "CHECKPOINT_DISABLE": "1"}

    def run(*arguments: str, **options: Any) -> str:
        ended = subprocess.run(
            ["terraform", *arguments],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


@needs_terraform
def test_terraform_reads_all_files_and_finds_them_in_shape(terraform: Callable[..., str]) -> None:
    assert terraform("fmt", "-check", "-recursive", "-diff", str(INFRA)) == ""


@needs_terraform
def test_each_role_becomes_a_grant(terraform: Callable[..., str], tmp_path: Path) -> None:
    # What of the module needs no provider.
    folder = tmp_path / "module"
    folder.mkdir()
    for name in ("access.tf.json", "grants.tf"):
        shutil.copy(MODULE / name, folder)
    (folder / "show.tf").write_text(
        'output "all" { value = { grants = local.grants, acts = local.impersonations } }'
    )
    terraform("init", "-input=false", cwd=folder)
    terraform("apply", "-auto-approve", "-input=false", cwd=folder)
    made = json.loads(terraform("output", "-json", "all", cwd=folder))
    for on in ("project", "dataset", "bucket", "repository"):
        assert {(g["who"], g["role"]) for g in made["grants"][on].values()} == {
            (who, f"roles/{role}") for who, told in documented().items() for role in told[on]
        }
    assert {(a["who"], a["account"]) for a in made["acts"].values()} == {
        (who, account) for who, told in documented().items() for account in told["acts_as"]
    }


def test_github_runs_what_a_change_must_pass() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/ci.yaml").read_text(encoding="utf-8"))
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML 1.1 takes `on` for a truth.
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    *prepare, last = job["steps"]
    for step in prepare:
        if "uses" in step:  # GitHub's own and Google's, by commit.
            assert re.fullmatch(
                r"(actions|google-github-actions)/[\w-]+@[0-9a-f]{40}", step["uses"]
            )
    assert last == {"run": ".ci/run"}
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK)
    for stack in job["strategy"]["matrix"]["include"]:
        assert stack["system"].startswith("ubuntu-")
        assert stack["python"] in ("3.10", "3.11", "3.12", "3.13")
