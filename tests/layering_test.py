#!/usr/bin/env python3
"""The layering check passes on the tree, and fails on a planted wrong include and a planted wrong link."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1)
CHECK = os.path.join(ROOT, "scripts", "check_layers.py")


def run(*args):
    return subprocess.run([sys.executable, CHECK, *args], capture_output=True, text=True, check=False)


class Layering(unittest.TestCase):
    def planted(self, file, text):
        tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, tree)
        shutil.copytree(os.path.join(ROOT, "scripts"), os.path.join(tree, "scripts"))
        os.makedirs(os.path.dirname(os.path.join(tree, file)))
        with open(os.path.join(tree, file), "w", encoding="utf-8") as out:
            out.write(text)
        return tree

    def test_the_tree_is_clean(self):
        result = run(ROOT)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_wrong_include_is_found(self):
        tree = self.planted("engine/arch/planted.cc", '#include "engine/model/model.h"\n')
        result = run(tree)
        self.assertEqual(result.returncode, 1)
        self.assertIn("engine/arch/planted.cc:1", result.stderr)

    def test_the_operator_must_not_know_the_engine(self):
        tree = self.planted("operator/decide/planted.h", '#include "engine/kernels/backend.h"\n')
        self.assertEqual(run(tree).returncode, 1)

    def test_a_folder_without_a_line_is_found(self):
        tree = self.planted("agent/stray/planted.h", '#include "operator/kube/client.h"\n')
        self.assertEqual(run(tree).returncode, 1)

    def test_a_wrong_link_is_found(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as edges:
            edges.write("engine/arch engine_model\n")
            edges.flush()
            result = run("--edges", edges.name, ROOT)
        self.assertEqual(result.returncode, 1)
        self.assertIn("engine_model", result.stderr)


if __name__ == "__main__":
    unittest.main()
