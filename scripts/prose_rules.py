"""The rules of scripts/prose: banned phrases and identifiers, and what to write instead. See docs/STYLE.md."""

import re

# The most words that a sentence may have.
MAX_WORDS = 25

# Files in which a long sentence is an error, not a warning.
SHORT_SENTENCES = {"README.md", "docs/API.md"}

# Files with generated or third-party text.
SKIPPED = (
    "LICENSE-*", "*.lock", "*.snap", "package-lock.json",
    "examples/checkout/src/schema.d.ts",  # generated from openapi/quittance.json
    "crates/demo/dist/*", "crates/demo/dist/assets/*",  # built from examples/checkout
)

# File types in which identifiers are checked. In Markdown, only code is.
NAMED_SUFFIXES = {".rs", ".sql", ".md", ".toml", ".py"}

# A verb after "what" makes a noun clause.
VERB = (
    r"(?:is|are|was|were|has|have|had|can|cannot|can't|could|must|may|might|will|would|should"
    r"|comes?|came|follows?|belongs?|needs?|goes|went)"
)


def phrase(pattern, suggestion):
    """A phrase to find anywhere, in either case, across line breaks."""
    return re.compile(r"\b(?:" + pattern.replace(" ", r"\s+") + r")\b", re.I), suggestion


def opening(pattern, suggestion):
    """A phrase to find at the start of a sentence."""
    return re.compile(pattern.replace(" ", r"\s+")), suggestion


def name(pattern, replacement, folder=""):
    """An identifier to find as a whole word, in files below a folder."""
    return re.compile(r"(?<!\w)(?:" + pattern + r")(?!\w)"), f'write "{replacement}"', folder


# The banned phrases. A pattern's spaces match any white space.
PHRASES = [
    phrase(r"can not", "write \"cannot\" or \"can't\""),
    phrase(r"anew|afresh", 'write "again"'),
    phrase(r"once more|yet again", 'write "again"'),
    phrase(r"all the same", 'write "anyway"'),
    phrase(r"by (?:itself|themselves|himself)", 'write "automatically", or name the actor'),
    phrase(r"beside", 'write "next to", "alongside" or "with"'),
    phrase(r"also (?:if|where|when|while|after|before|with)", 'write "even if" or "even when"'),
    phrase(r"(?:became|becomes?|come|comes|came|becoming) of", 'write "the outcome of" or "the result of"'),
    phrase(r"(?:told|tells?|telling|hears?|heard|hearing|learns?|learned) of", 'write "is notified of" or "receives"'),
    phrase(r"heard|hears", 'write "receives" or "is notified of"'),
    phrase(r"(?:is|are|was|were|be) told", 'write "is notified", "receives" or "gets"'),
    phrase(r"(?:is|are|was|were|be|been) no (?!longer|more than|less than|later than|fewer than|earlier than)[a-z]+",
           'write "isn\'t a …", "no … exists" or "without"'),
    phrase(r"(?:is|are|was|were) none|(?:has|have|had) none", 'write "doesn\'t exist" or "isn\'t a …"'),
    phrase(r"so many", 'write "the number of"'),
    phrase(r"nothing is said|nothing else is said|nothing was said", 'write "by default"'),
    phrase(r"go(?:es|ing|ne)? back|went back", 'write "is refunded", "returns" or "rolls back"'),
    phrase(r"(?:gives?|gave|given|giving) back|(?:gives?|gave|given|giving) (?:it|them|money|the money) back",
           'write "refund", "release" or "return"'),
    phrase(r"(?:take|takes|taken|took|taking) (?:it |them |this |that |these |those |its answer |the answers? )?in",
           'write "apply", "receive" or "record"'),
    phrase(r"(?:is|are|was|were|be) of", 'write "belongs to"'),
    phrase(r"(?:let|lets|letting) (?:it |them )?(?:go|in|out)|(?:is|are|was|were|be) let",
           'write "release", "disconnect", "allow" or "admit"'),
    phrase(r"rooms?", 'write "crate", "module" or "space"'),
    phrase(r"(?:how|where) (?:it|they|one|this|that|an? \w+|the \w+|its? \w+) stands?", 'write "its status"'),
    phrase(r"stands? (?:where|as it)", 'write "has the status"'),
    phrase(r"nobody|somebody|anybody|everybody|whoever|whomever|whatever|whosoever|whichever",
           'name the actor or the thing'),
    phrase(r"as (?:it|they) (?:must|should|ought to|shall) be", 'write "valid" or "correct"'),
    phrase(rf"what {VERB}", "name the thing; a noun clause with \"what\" hides it"),
    phrase(r"at work(?: on)?", 'write "in progress", "pending" or "running"'),
    phrase(r"an? \S+(?: \S+)? of (?:its|their|our|your|his|her|one's) own", 'write "its own …"'),
    phrase(r"mend(?:s|ed|ing)?", 'write "repair" or "fix"'),
    phrase(r"heal(?:s|ed|ing)?", 'write "repair" or "recover"'),
    phrase(r"wish(?:es|ed|ing)?", 'write "request" or "requested"'),
    phrase(r"led astray|astray", 'write "misled" or "lost"'),
    phrase(r"in the way of", 'write "blocks" or "prevents"'),
    phrase(r"on its way|on their way|on the way", 'write "processing", "pending" or "in flight"'),
    phrase(r"(?:look|looks|looked|looking)(?: at)?(?: it| them)? again", 'write "refresh"'),
    phrase(r"dr(?:ive|ives|iven|ove|iving) on", 'write "resume"'),
    phrase(r"(?:came|comes|come) too (?:much|late)", 'write "surplus" or "late"'),
    phrase(r"whence|whither|thereof|therein|thereby|wherein|whereof|lest|thrice|hitherto|henceforth|herein|thereupon",
           "use a current word"),
    phrase(r"in vain", 'write "without success"'),
    phrase(r"for good", 'write "permanently"'),
    phrase(r"as good as", "state the fact"),
    phrase(r"rails?", 'write "payment flow"'),
    phrase(r"(?:in|with) (?:the same|other|few|plain) words|in words", 'write "with the same parameters", or state it'),
    phrase(r"as you like", 'write "at your option"'),
    phrase(r"by hand", 'write "manually"'),
    phrase(r"half-?way", 'write "partway" or name the step'),
    phrase(r"goods that go|way out again", "state the fact"),
    phrase(r"there (?:is|are|was|were) (?:nothing|none)", 'write "no … exists", "nothing" or "without"'),
    phrase(r"such an? one|nothing but|as often as (?:it|they) takes?", 'write "one", "only" or "repeatedly"'),
    phrase(r"ids? of (?:an?|the|its|this|that|our) \w+", 'write "order ID", "payment ID"'),
    phrase(r"(?:id|version|copy|list|name|hash|part) of (?:it|them)", 'write "its ID", "its version"'),
    phrase(r"(?:of ours|of theirs|of yours|of Stripe['’]s(?=[.,;:)]|\s(?:on|that|in|for|is|are|and|or|to)\b))",
           'write "our …", "Stripe\'s …"'),
    phrase(r"own words?|words? for (?:it|this|that)|this word means|['’]s words?|(?:in|by) (?:its|their|our) words?",
           'write "value", "name" or "text"'),
    phrase(r"(?:is|are|was|were|been) said|sa(?:ys|id|y) so", 'write "states", "specifies" or "confirms"'),
    phrase(r"(?:is|are|was|were|be|been) asked", 'name the actor: "Quittance asks Stripe", "Quittance requests"'),
    phrase(r"(?:comes?|came) to nothing|nothing (?:comes?|came)", 'write "fails" or "has no effect"'),
    phrase(r"time is (?:over|up)|time was (?:over|up)", 'write "expired"'),
    phrase(r"money (?:has come|came|comes|come)", 'write "is received" or "is paid"'),
    phrase(r"under way", 'write "in progress"'),
    phrase(r"(?:tried|tries|asked|asks) again", 'write "retried"'),
    phrase(r"taken (?:for|as)", 'write "treated as"'),
    phrase(r"as at stripe", 'write "as on Stripe" or "like Stripe"'),
    phrase(r"lets? (?:the|an?) \w+ in", 'write "authorize" or "allow"'),
    phrase(r"any more(?=\s*(?:[.,;:)]|$))", 'write "no longer" or "anymore"'),
    phrase(r"by chance", 'write "random" or "randomly"'),
    phrase(r"catalogue|behaviour|licen[c]es?|fulfilment|cancelled|cancelling|cancelations?|colour|honour(?:s|ed)?|favour"
           r"|recognis\w+|serialis\w+|normalis\w+|optimis\w+|initialis\w+|synchronis\w+|authoris\w+|organis\w+"
           r"|towards|afterwards|whilst|amongst|centre|labelled|modelled|travell\w+",
           "use American spelling"),
]

# Terms whose case matters. They are checked in documents and comments only.
TERMS = [
    (re.compile(r"(?<![\w`._/{<-])ids?(?![\w_}/>-])"), 'write "ID", or name the field in backticks'),
]

# Clauses that must not open a sentence.
OPENINGS = [
    opening(r"(?:What|Who|Whoever|Whom|Whose|Whatever|Whichever|That|Of|Where|Wherever|Which)\b",
            "open with a concrete noun or an imperative"),
    opening(r"(?:How(?! to)|Why)\b", 'open with a noun: "The time …", "The number of …", "The reason …"'),
    opening(r"(?:By|Through|On|To|From|In|With|For|Under|Against|At) (?:what|when|which|whom|whose|where|how)\b",
            "open with a concrete noun or an imperative"),
    opening(r"(?:None|No one|Nowhere|Ours|Theirs|Likewise|Nor|So (?:is|are|does|do)|The same(?=[,:;.]|\s(?:for|as|of|with|in)\b))"
            r"(?!\w)", "write a full sentence with a noun"),
    opening(r"(?:Those|One|All|Such|Everything|Anything) (?:that|which|who)\b|Those of\b|As (?:[\[_]|(?:above|there|here|at|in)\b)",
            "write a full sentence with a noun"),
]

# Identifiers that docs/GLOSSARY.md replaces, and their replacement.
NAMES = [
    name(r"Ledgers?|ledgers?(?:_\w+)?|\w+_ledgers?", "LockedOrder, LockedOrders"),
    name(r"settled_version", "outcome_version"),
    name(r"Settled|settl(?:e|es|ed|ing)(?:_\w+)?", "apply_decisions, persist_changes"),
    name(r"[Ss]tandings?|\w+_standings?|\w+Standing", "order state: OrderState, order_state"),
    name(r"absorb(?:s|ed)?(?:_\w+)?|hear_\w+|heard_\w+|take_in_\w+", "apply_event, apply_observation, record"),
    name(r"(?:struct|enum|type|trait) \w*(?:Told|Said|Seen|Sighting|Begun|Taken|Made|Done|Kept|Given|Heard|Known)",
         "a noun: AttemptRef, ObjectHeader, BeginAttemptOutcome"),
    name(r"(?:struct|enum|type|trait) \w*(?:Changed|Asked|Placed|Claimed|Observed|Recorded|Refused|Folded"
         r"|Priced|Wanted|Unrendered|Ended|Answered|Recomputed|Moved|Expected|Walked|Listed|Granted)",
         "a noun: ChangeOrderOutcome, CaptureOutcome"),
    name(r"\w+AtWork|\w+_at_work", "PendingAttempt, PendingRefund, PendingSeller"),
    name(r"Wish(?:es)?|wish(?:es)?", "PaymentRequest"),
    name(r"Walk(?:er|ed)?|walk(?:s|er|ed|ing)?(?:_\w+)?|\w+_walk(?:s|er|ed)?(?:_\w+)?", "event backfill: EventBackfill"),
    name(r"Task::Look|look_again|looked_at_again", "refresh: Task::Refresh, schedule_refresh"),
    name(r"dr(?:ive|iven)_(?:on|until|or)\w*|mod drive|drive\.rs", "resume"),
    name(r"lose_\w+|let_go\w*|lets_\w+", "mark_unreachable, release, disconnect, allows_…"),
    name(r"giv(?:e|es|en|ing)_(?:\w+_)?back\w*|\w+_(?:giv(?:e|es|en|ing)_back)\w*|has_returns", "refund, refunded"),
    name(r"goes_back\w*|came_too_much|on_its_way|\w+_on_its_way", "refunded, surplus, processing"),
    name(r"Announce(?:ment)?\w*|announce(?:d|ment|ments)(?:_\w+)?|announce_\w+", "event, publish, notify"),
    name(r"Rails?|rails?", "PaymentFlow, flow"),
    name(r"Rooms?|rooms?", "crate or module"),
    name(r"linked_s|told_s|seen_s|Knowledge", "connected_at_s, last_event_at_s, snapshot_at_s, AccountSnapshot"),
    name(r"Link::\w+|enum Link", "ConnectionStatus"),
    name(r"is_of(?:_\w+)?", "is_data_error, is_contention, belongs_to"),
    name(r"is_money_untold|has_learned_of_money|money_moved", "payment_outcome_unknown, needs_payment_refresh"),
    name(r"from_word\w*|words\.rs|mod words|field\.word", "FromStr and as_str, enums.rs, field.enum_value"),
    name(r"fn of", "new, from_…, or belongs_to"),
    name(r"Entrance|Exit|struct Line", "QueueSender, QueueReceiver, QueueState", "crates/webhook/"),
    name(r"figures(?:\.rs|::\w+)|mod figures", "metrics.rs"),
    name(r"Keyed|Missing(?! credentials)|Asks|Pays|ComesBack|SendsTo|Unlinks|OneTime",
         "IdempotentErrors, NotFoundErrors, StripeReadErrors, PaymentErrors, OAuthErrors", "crates/api/"),
    name(r"KEY_BELIEVED_FOR|KnownKeys", "SECRET_KEY_CACHE_TTL, SecretKeyCache"),
    name(r"Shelf|Pulse|SellerNews|News|poke[ds]?|[Pp]atience|PATIENCE",
         "ProductVisibility, OrderVersion, Wakeup, notify, LookupTimeout"),
    name(r"quittance_event_walks?\w*", "quittance_event_backfill_…"),
]

# Exceptions: (file pattern, text pattern, reason). Both checks use them.
ALLOWED = [
    ("crates/sandbox/*", r"^settl\w+$", "debits and vouchers settle at Stripe"),
    ("crates/server/tests/*", r"^settl\w+$", "tests let the sandbox settle debits"),
    ("crates/persistence/src/*", r"^walk_ast$", "a method of Diesel"),
    ("crates/server/src/cli.rs", r"^walk$", "the name of the option stays"),
    ("*.py", r"^walk$", "a function of Python's standard library"),
    ("CHANGELOG.md", r"^\w+$", "it lists the old names"),
    ("docs/sandbox.md", r"^settl\w+$", "debits and vouchers settle at Stripe"),
]
