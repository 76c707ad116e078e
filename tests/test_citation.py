"""How the kit is cited: one version and one licence everywhere, and pages that exist."""

import re
import tomllib

import yaml

from fer_tf.common.paths import project_root


def page(name):
    return (project_root() / name).read_text()


def test_the_citation_names_the_version_and_licence_of_the_package():
    project = tomllib.loads(page("pyproject.toml"))["project"]
    citation = yaml.safe_load(page("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors", "type"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    bibtex = dict(re.findall(r"(\w+) += \{(.+?)\},?$", page("CITING.md"), re.MULTILINE))
    assert (bibtex["version"], bibtex["license"]) == (project["version"], project["license"])


def test_the_run_that_is_the_example_is_released():
    run = re.search(r"such as `([\w-]+)`", page("CITING.md"))[1]
    assert (project_root() / "reports" / "results" / "runs" / run / "record.json").is_file()
