# The usual verbs. What they do is in scripts/ and in the binary: nothing is written here a second time.

# Lists the verbs.
default:
    @just --list

# Serves the API with SQLite and the built-in sandbox; arguments go to `quittance`.
run *arguments:
    cargo run -- {{ arguments }}

# All checks, or some of them: see `scripts/test --help`.
test *arguments:
    scripts/test {{ arguments }}

# Formats all code.
fmt:
    cargo fmt --all

# Everything but the tests.
lint:
    scripts/test --only format,lint,docs,arrows,licences

# Measures against a PostgreSQL that flushes every commit to disk: see docs/benchmarks.md.
bench *arguments:
    scripts/bench {{ arguments }}

# Writes the OpenAPI document that the code makes.
openapi:
    cargo run --quiet -- openapi > openapi/quittance.json.new
    mv openapi/quittance.json.new openapi/quittance.json

# A throw-away PostgreSQL: `just postgres run COMMAND`, or start, url, stop.
postgres *arguments:
    scripts/postgres {{ arguments }}

# Runs the stand-in for Stripe alone; arguments go to `quittance sandbox`.
sandbox *arguments:
    cargo run -- sandbox {{ arguments }}

# Service and PostgreSQL in containers.
up *arguments:
    docker compose up --build {{ arguments }}
