# Shortcuts for the commands in scripts/ and in the binary.

# Lists the recipes.
default:
    @just --list

# Serves the API with SQLite and the built-in sandbox. Arguments are passed to `quittance`.
run *arguments:
    cargo run -- {{ arguments }}

# Runs all checks, or some of them: see `scripts/test --help`.
test *arguments:
    scripts/test {{ arguments }}

# Formats all code.
fmt:
    cargo fmt --all

# Runs every check except the tests.
lint:
    scripts/test --only format,prose,lint,docs,layers,licenses

# Runs the benchmarks on a PostgreSQL that flushes every commit to disk: see docs/benchmarks.md.
bench *arguments:
    scripts/bench {{ arguments }}

# Updates the OpenAPI document from the code.
openapi:
    cargo run --quiet -- openapi > openapi/quittance.json.new
    mv openapi/quittance.json.new openapi/quittance.json

# Manages a temporary PostgreSQL: `just postgres run COMMAND`, or start, url, stop.
postgres *arguments:
    scripts/postgres {{ arguments }}

# Runs the Stripe sandbox alone. Arguments are passed to `quittance sandbox`.
sandbox *arguments:
    cargo run -- sandbox {{ arguments }}

# Runs the service and PostgreSQL in containers.
up *arguments:
    docker compose up --build {{ arguments }}
