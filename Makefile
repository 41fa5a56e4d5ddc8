# Every target sets up what it needs: Python >= 3.11, git and npm are all that must be there.
.PHONY: demo test quick check answers bench bench-live bench-receiver crash upgrade soak hostile oracle serve wheel
.PHONY: format clean
.DELETE_ON_ERROR:

PYTHON ?= python3
# Stories mostly wait, for a bot or a sandbox: more of them at once than there are cores.
WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONTRACT := .cache/contract/.fetched

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ampbot needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[rig,dev]'
	touch $@

# GitHub's published contract and recorded webhooks: fetched at pinned versions, never committed.
$(CONTRACT): $(STAMP) bot/rig/contract/fixtures.py
	$(BIN)/python -m bot.rig.contract.fixtures
	touch $@

demo: $(STAMP)
	$(BIN)/ampbot demo $(ARGS)

test: $(STAMP) $(CONTRACT)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

# Every test but those that take minutes: the stories of whole runs, many machines, the crash walk and the soak.
SLOW := tests/stories tests/machines tests/rig/crash/test_walk.py tests/rig/crash/test_upgrade.py tests/rig/soak/test_soak.py
quick: $(STAMP) $(CONTRACT)
	$(BIN)/pytest -n 3 --dist worksteal $(SLOW:%=--ignore=%) $(ARGS)

check: wheel
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Built from the source distribution, so that nothing stale in the checkout gets into it.
wheel: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation

bench: $(STAMP)
	$(BIN)/python -m bot.rig.bench.overhead $(ARGS)

# Every point of every story: hours. Resumable; ARGS="--shard 1/2 --story issue --database sqlite".
crash: $(STAMP)
	$(BIN)/python -m bot.rig.crash $(ARGS)

# Every request of four stories gets every passing refusal of GitHub's: half an hour. ARGS="--story issue --shard 1/8".
answers: $(STAMP)
	$(BIN)/python -m bot.rig.answers $(ARGS)

# Kills the bot of another commit in every state, and lets this tree finish its work: FROM=REF. Most of an hour.
upgrade: $(STAMP)
	$(BIN)/python -m bot.rig.crash.upgrade --from $(FROM) $(ARGS)

# Nine minutes of deliveries, faults and kills; ends with a line `violations N`.
soak: $(STAMP) $(CONTRACT)
	$(BIN)/python -m bot.rig.soak $(ARGS)

# 500 archives as a hostile sandbox could leave them; exits with 1 if memory or /healthz goes beyond its limit.
hostile: $(STAMP)
	$(BIN)/python -m bot.rig.hostile $(ARGS)

# Asks the real Amp (from npm) and the real envd (ENVD=PATH) what tests/oracles/ holds of them; prints `differing N`.
oracle: $(STAMP)
	$(BIN)/python -m tests.oracles $(if $(ENVD),--envd $(ENVD)) $(ARGS)

bench-receiver: $(STAMP) $(CONTRACT)
	$(BIN)/python -m bot.rig.bench.receiver $(ARGS)

# A thousand live runs: ARGS="--runs 1000 --queued 10000".
bench-live: $(STAMP)
	$(BIN)/python -m bot.rig.bench.live_runs $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

serve: $(STAMP)
	$(BIN)/ampbot serve

clean:
	rm -rf $(VENV) .cache dist .mypy_cache .ruff_cache .pytest_cache
