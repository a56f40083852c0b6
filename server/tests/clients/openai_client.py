"""Talks to an OpenAI-compatible server with the official `openai` package, as a user's own program would.

    python openai_client.py --base-url http://127.0.0.1:8080/v1 --api-key pk_… [--model restaurant] [--ask 你们几点关门]

Each check prints one line that begins with OK. The first that fails ends the program with its traceback and exit code 1.
"""

import argparse

import openai
from openai import OpenAI


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks an OpenAI-compatible server with the official client.")
    parser.add_argument("--base-url", required=True, help="ends in /v1")
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", help="must be listed; the first listed one when left out")
    parser.add_argument("--ask", default="你们几点关门", help="the question")
    parser.add_argument("--expect", help="words that the answer must hold")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one answer")
    return parser.parse_args()


def ok(check: str, detail: object) -> None:
    print(f"OK {check}: {detail}", flush=True)


def check_models(client: OpenAI, wanted: str | None) -> str:
    listed = [model.id for model in client.models.list()]
    assert listed, "the list of models is empty"
    assert all(listed), f"a model has no id: {listed}"
    model = wanted or listed[0]
    assert model in listed, f"`{model}` is not in {listed}"
    ok("models", ", ".join(listed))
    return model


def check_answer(text: str | None, expected: str | None) -> str:
    assert text and text.strip(), "the answer is empty"
    if expected:
        assert expected in text, f"`{expected}` is not in the answer: {text!r}"
    return text


def check_chat(client: OpenAI, model: str, question: str, expected: str | None) -> None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}])
    assert answer.object == "chat.completion", answer.object
    assert answer.id, "the answer has no id"
    assert answer.model, "the answer names no model"
    assert len(answer.choices) == 1, answer.choices
    choice = answer.choices[0]
    assert choice.index == 0 and choice.message.role == "assistant", choice
    assert choice.finish_reason in ("stop", "length"), choice.finish_reason
    text = check_answer(choice.message.content, expected)
    assert answer.usage is not None, "no usage was reported"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer.usage
    ok("chat", repr(text[:80]))


def check_stream(client: OpenAI, model: str, question: str, expected: str | None) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1, "the chunks of one answer have different ids"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}, chunks
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = check_answer("".join(choice.delta.content or "" for choice in choices), expected)
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    assert len(reasons) == 1 and reasons[0] in ("stop", "length"), f"finish reasons: {reasons}"
    assert choices[-1].finish_reason, "something came after the finish reason"
    with_usage = [chunk for chunk in chunks if chunk.usage is not None]
    assert len(with_usage) == 1 and with_usage[0] is chunks[-1], "the usage must come once, in the last chunk"
    assert not with_usage[0].choices, "the chunk of the usage must have no choices"
    ok("stream", f"{len(chunks)} chunks, {text[:80]!r}")


def check_unknown_model(client: OpenAI, question: str) -> None:
    try:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": question}])
    except openai.NotFoundError as error:
        assert error.status_code == 404, error.status_code
        assert isinstance(error.body, dict) and error.body.get("message"), f"no message in {error.body!r}"
        ok("unknown model", error.body["message"])
        return
    raise AssertionError("an unknown model was answered")


def check_bad_request(client: OpenAI, model: str) -> None:
    try:
        client.chat.completions.create(model=model, messages="not a list")  # type: ignore[arg-type]
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        ok("bad request", error.status_code)
        return
    raise AssertionError("messages that are no list were answered")


def check_wrong_key(base_url: str, question: str) -> None:
    stranger = OpenAI(base_url=base_url, api_key="pk_wrong", max_retries=0, timeout=10)
    for name, call in (
        ("models", lambda: list(stranger.models.list())),
        (
            "chat",
            lambda: stranger.chat.completions.create(
                model="any", messages=[{"role": "user", "content": question}], stream=True
            ),
        ),
    ):
        try:
            call()
        except openai.AuthenticationError as error:
            assert error.status_code == 401, error.status_code
            ok(f"wrong key, {name}", error.status_code)
            continue
        raise AssertionError(f"a wrong key was let in to {name}")


def main() -> None:
    given = arguments()
    client = OpenAI(base_url=given.base_url, api_key=given.api_key, max_retries=0, timeout=given.timeout)
    model = check_models(client, given.model)
    check_chat(client, model, given.ask, given.expect)
    check_stream(client, model, given.ask, given.expect)
    check_unknown_model(client, given.ask)
    check_bad_request(client, model)
    check_wrong_key(given.base_url, given.ask)
    print(f"OK openai {openai.__version__}: all checks passed", flush=True)


if __name__ == "__main__":
    main()
