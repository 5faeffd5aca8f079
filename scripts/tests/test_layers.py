"""Tests of scripts/layers on small made-up crates."""

import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "layers"
LOADER = importlib.machinery.SourceFileLoader("layers", str(SCRIPT))
SPEC = importlib.util.spec_from_loader("layers", LOADER)
layers = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(layers)


def edges(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, code in files.items():
            file = pathlib.Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)
        return layers.Crate(pathlib.Path(folder)).edges()


class Imports(unittest.TestCase):
    def test_crate_super_and_relative_paths_are_imports(self):
        found = edges({
            "lib.rs": "mod a;\nmod b;\nuse a::Thing;\n",
            "a.rs": "mod inner;\npub struct Thing;\nuse crate::{b::{self, Other as O}, std};\n",
            "a/inner.rs": "fn f() { super::g(); super::super::b::h() }\n",
            "b.rs": "pub struct Other;\n",
        })
        self.assertEqual({("a",)}, found[()])
        self.assertEqual({("b",)}, found[("a",)] - {()})
        self.assertEqual({("a",), ("b",)}, found[("a", "inner")])

    def test_re_exported_name_counts_for_the_defining_file(self):
        found = edges({
            "lib.rs": "mod a;\nmod b;\npub use a::Thing;\n",
            "a.rs": "pub struct Thing;\n",
            "b.rs": "use crate::Thing;\n",
        })
        self.assertEqual({(): set(), ("a",): set(), ("b",): {("a",)}}, found)

    def test_comments_strings_and_tests_are_ignored(self):
        found = edges({
            "lib.rs": "mod a;\nmod b;\n",
            "a.rs": "// crate::b::f\nconst A: &str = \"crate::b::f\";\n#[cfg(test)]\nmod tests {\n    use crate::b::f;\n}\n",
            "b.rs": "pub fn f() {}\n",
        })
        self.assertEqual(set(), found[("a",)])


class Circles(unittest.TestCase):
    def test_circle_is_found(self):
        found = layers.circles({("a",): {("b",)}, ("b",): {("c",)}, ("c",): {("a",)}, ("d",): {("a",)}})
        self.assertEqual([[("a",), ("b",), ("c",)]], found)

    def test_chain_has_no_circle(self):
        self.assertEqual([], layers.circles({("a",): {("b",)}, ("b",): {("c",)}, ("c",): set()}))


class Layers(unittest.TestCase):
    def test_folder_entry_covers_its_files(self):
        table = ["rows", ["read", "write"]]
        self.assertEqual(0, layers.layer(table, ("rows", "orders")))
        self.assertEqual(1, layers.layer(table, ("write",)))
        self.assertIsNone(layers.layer(table, ("writer",)))


if __name__ == "__main__":
    unittest.main()
