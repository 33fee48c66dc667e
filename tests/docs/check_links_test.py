"""scripts/check-links sees dead links and nothing else."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/check-links"


class CheckLinks(unittest.TestCase):
    def check(self, **pages):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in pages.items():
                (pathlib.Path(folder) / f"{name}.md").write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, str(SCRIPT), folder], capture_output=True, text=True, check=False)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout

    def test_good_links(self):
        code, out = self.check(a="[b](b.md) [two](b.md#two-words) [x](#here) [w](https://e.org/x) ![i](b.md \"t\")\n"
                                 "# Here\n",
                               b="## Two `words`!\n")
        self.assertEqual((code, out), (0, "4 relative links, 0 dead\n"))

    def test_dead_file_anchor_definition_absolute_and_outside(self):
        for link in ("[c](c.md)", "[b](b.md#three)", "[x](#nowhere)", "[d]: d.md", "[r](/b.md)", "[o](../../o.md)"):
            code, out = self.check(a=f"first\n{link}\n", b="# Two\n")
            self.assertEqual(code, 1, link)
            self.assertIn("a.md:2: ", out)

    def test_code_is_no_link(self):
        code, out = self.check(a="`[c](c.md)`\n```\n[c](c.md)\n```\n~~~\n[c](c.md)\n```\n~~~\n")
        self.assertEqual((code, out), (0, "0 relative links, 0 dead\n"))


if __name__ == "__main__":
    unittest.main()
