"""What the Python clients' checks share: a list of named checks, each run and reported."""
import sys
import traceback

URL = sys.argv[1]
MODEL = "demo-v3"
ASK = [{"role": "user", "content": "What is the weather in Paris?"}]
CAPITAL = [{"role": "user", "content": "I forgot the capital of Portugal. What is it?"}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]},
                                           "days": {"type": "integer", "minimum": 1, "maximum": 7}},
          "required": ["city", "days"], "additionalProperties": False}
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run(client, version):
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok      {client} {version}: {function.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {client} {version}: {function.__name__}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
