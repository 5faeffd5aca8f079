"""Tests of scripts/prose: odd sentences are found, plain ones are not."""

import importlib.machinery
import importlib.util
import pathlib
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "prose"
LOADER = importlib.machinery.SourceFileLoader("prose", str(SCRIPT))
SPEC = importlib.util.spec_from_loader("prose", LOADER)
prose = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(prose)

ODD = [
    ("An order can not be paid twice.", "can not"),
    ("The body is read anew.", "anew"),
    ("It is refunded all the same.", "all the same"),
    ("The surplus is refunded by itself.", "by itself"),
    ("The key is kept beside the database.", "beside"),
    ("This holds also if\nthe process ends.", "also if"),
    ("Nothing came of it.", "came of"),
    ("Stripe tells of the refund.", "tells of"),
    ("This is no order.", "is no order"),
    ("There are no goods.", "are no goods"),
    ("So many are waiting.", "So many"),
    ("JSON is used if nothing is said.", "nothing is said"),
    ("The money goes back.", "goes back"),
    ("The store takes the answer in.", "takes the answer in"),
    ("The event is of another account.", "is of"),
    ("The seller is let go.", "is let"),
    ("One room has SQL.", "room"),
    ("The timeline says how it stands.", "how it stands"),
    ("Nobody pays.", "Nobody"),
    ("The body is not as it must be.", "as it must be"),
    ("It keeps what is unreadable.", "what is"),
    ("The worker mends it.", "mends"),
    ("What differs is repaired.", "What"),
    ("The order is paid. Who pays twice gets a refund.", "Who"),
    ("- Of two events the later counts.", "Of"),
    ("Where a key is missing, the request fails.", "Where"),
    ("That changes nothing.", "That"),
    ("How long an order is open.", "How"),
    ("Quittance has its own behaviour.", "behaviour"),
    ("The ids are sorted.", "ids"),
]

PLAIN = [
    "An order can't be paid twice.",
    "The order is no longer open, and it was no more than a test.",
    "# What a webhook contains",
    "What does it cost?",
    "Returns the order, or `None` if it is deleted: `can not`, `anew`.",
    "The IDs are sorted by `id`, as in GET /v1/orders/{id}.",
    "If `state` is invalid, the request fails with 400.",
    "Wait until the seller can accept payments.",
    "```\nWhat is of it can not go back.\n```",
    "See [the docs](docs/room.md) for more.",
    "| Who | Meaning |\n| --- | --- |",
]


def found(kind, text):
    passage = prose.join(kind, list(enumerate(text.split("\n"), 1)))
    return [match for _, match, _ in prose.check_passage(prose.pathlib.PurePath("docs/page.md"), passage)]


def texts(path, source):
    path = prose.pathlib.PurePath(path)
    passages = prose.reader(path, source)(source, str(path))
    return [(passage.kind, passage.line(0), passage.text.strip()) for passage in passages]


class Phrases(unittest.TestCase):
    def test_odd_sentences_are_found(self):
        for text, expected in ODD:
            with self.subTest(text):
                self.assertIn(expected, [" ".join(match.split()) for match in found(prose.MARKDOWN, text)])

    def test_plain_sentences_are_not_found(self):
        for text in PLAIN:
            with self.subTest(text):
                self.assertEqual([], found(prose.MARKDOWN, text))

    def test_long_sentence_is_counted(self):
        limit = prose.rules.MAX_WORDS
        for count, expected in ((limit, []), (limit + 1, [(1, limit + 1)])):
            passage = prose.join(prose.DOC, [(1, "word " * (count - 1) + "word.")])
            self.assertEqual(expected, [found[:2] for found in prose.long_sentences(passage)])


class Names(unittest.TestCase):
    def check(self, path, source):
        return [found for _, found, _ in prose.check_names(prose.pathlib.PurePath(path), source)]

    def test_replaced_identifiers_are_found(self):
        for source in ("struct Ledger;", "fn is_of_data()", "enum StateTaken {", "Task::Look", "quittance_event_walks_total"):
            with self.subTest(source):
                self.assertTrue(self.check("crates/domain/src/order.rs", source))

    def test_replaced_file_name_is_found(self):
        self.assertEqual(["words.rs"], self.check("crates/api/src/words.rs", ""))

    def test_markdown_is_checked_in_code_only(self):
        self.assertEqual([], self.check("docs/page.md", "A ledger is a book."))
        self.assertEqual(["Ledger"], self.check("docs/page.md", "The type `Ledger`."))

    def test_current_identifiers_are_not_found(self):
        for source in ("struct LockedOrder;", "fn is_data_error()", "enum ConsumeStateOutcome {", "RefundTooLarge"):
            with self.subTest(source):
                self.assertEqual([], self.check("crates/domain/src/order.rs", source))


class Files(unittest.TestCase):
    def test_rust_comments_texts_and_test_names_are_read(self):
        source = (
            "//! First line,\n//! second line.\n\nconst A: char = '\"'; // a note\n"
            'const B: &str = "a text for people";\nconst C: &str = "SELECT one two three";\n'
            "#[test]\nfn order_is_paid() {}\non_both_databases! {\n    order_is_open,\n}\n"
        )
        self.assertEqual(
            [
                (prose.DOC, 1, "First line,\nsecond line."),
                (prose.COMMENT, 4, "a note"),
                (prose.TEXT, 5, "a text for people"),
                (prose.NAME, 8, "Order is paid"),
                (prose.NAME, 10, "Order is open"),
            ],
            texts("crates/domain/src/order.rs", source),
        )

    def test_queries_and_short_strings_are_skipped(self):
        source = 'const A: &str = "SELECT is of it";\nconst B: &str = "two words";\n'
        self.assertEqual([], texts("crates/domain/src/order.rs", source))

    def test_openapi_descriptions_are_read(self):
        source = '{\n  "description": "A \\"live\\" order.",\n  "other": "text"\n}\n'
        self.assertEqual([(prose.MARKDOWN, 2, 'A "live" order.')], texts("openapi/quittance.json", source))

    def test_settings_in_an_environment_file_are_skipped(self):
        source = "# The address to listen on.\n#QUITTANCE_LISTEN=127.0.0.1:8080\n"
        self.assertEqual([(prose.COMMENT, 1, "The address to listen on.")], texts(".env.example", source))

    def test_shell_and_python_and_sql_comments_are_read(self):
        self.assertEqual([(prose.COMMENT, 2, "A note.")], texts("scripts/x.sh", "#!/bin/sh\n# A note.\n"))
        self.assertEqual([(prose.DOC, 1, "A note.")], texts("scripts/x.py", '"""A note."""\n'))
        self.assertEqual([(prose.COMMENT, 1, "A note.")], texts("migrations/up.sql", "-- A note.\n"))


if __name__ == "__main__":
    unittest.main()
