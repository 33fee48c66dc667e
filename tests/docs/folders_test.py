"""Every folder that holds a file says in a README.md of its own what it is for."""
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Folders(unittest.TestCase):
    def test_every_folder_has_a_readme(self):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
        if listed.returncode != 0:
            self.skipTest("not a git checkout")
        files = {pathlib.PurePosixPath(name) for name in listed.stdout.split("\0") if name}
        folders = {folder for file in files for folder in file.parents}
        without = sorted(str(folder) for folder in folders if folder / "README.md" not in files)
        self.assertEqual(without, [], "folders without a README.md: write a paragraph, what it is for")

    def test_readmes_say_something(self):
        for path in ROOT.glob("*/**/README.md"):
            if ROOT / "build" in path.parents or ROOT / ".run" in path.parents:
                continue
            text = path.read_text(encoding="utf-8")
            self.assertTrue(text.startswith("# "), f"{path} has no title")
            self.assertGreater(len(text.split()), 12, f"{path} says nothing")


if __name__ == "__main__":
    unittest.main()
