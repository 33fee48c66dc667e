#!/usr/bin/env python3
"""What the API server says to wrong resources, word for word in docs/reference/refusals.md.

UPDATE_GOLDEN=1 writes the page's table anew: read the diff.
"""
import json
import os
import re

from case import ROOT, ApiServerCase, main
from support import kube
from support.wrong_resources import RIGHT, WRONG

PAGE = ROOT / "docs/reference/refusals.md"
BEGIN = "<!-- begin: written by tests/apiserver/refusals_test.py, do not edit -->"
END = "<!-- end -->"


def shortened(message):
    """The part of kubectl's message that speaks of the field, on one line."""
    text = " ".join(message.split())
    text = re.sub(r'^Error from server \(\w+\): (error when creating "STDIN": )?', "", text)
    text = re.sub(r'^The DeepSeekDeployment "[^"]*" is invalid: (\* )?', "", text)
    text = re.sub(r"(DeepSeekDeployment(\.serving\.deepseek-operator\.io)? (\"[^\"]*\" is invalid|in version \"v1alpha1\" cannot be handled as a DeepSeekDeployment): )", "", text)
    text = text.split(" * <nil>: Invalid value: null: some validation rules were not checked")[0]
    return "`" + text.replace("|", "\\|") + "`"


class Refusals(ApiServerCase):
    maxDiff = None

    def test_wrong_resources_are_refused_by_name_as_the_page_says(self):
        self.assertGreaterEqual(len(WRONG), 40)
        rows = []
        for what, resource, words in WRONG:
            with self.subTest(what):
                with self.assertRaises(kube.Refused) as refused:
                    self.dry_run(json.dumps(resource))
                message = str(refused.exception)
                for word in words:
                    self.assertIn(word, message)
                rows.append(f"| {what} | {shortened(message)} |")
        head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        table = "\n".join(["", "| wrong | what the API server says |", "|---|---|", *rows, ""])
        new = f"{head}{BEGIN}{table}{END}{rest.split(END)[1]}"
        if os.environ.get("UPDATE_GOLDEN"):
            PAGE.write_text(new, encoding="utf-8")
        self.assertEqual(new, PAGE.read_text(encoding="utf-8"))

    def test_right_resources_are_not_refused(self):
        for resource in RIGHT:
            with self.subTest(resource["metadata"]["name"]):
                self.dry_run(json.dumps(resource))


if __name__ == "__main__":
    main()
