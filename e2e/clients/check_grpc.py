"""Google's Python package over gRPC, without generated code: the server's reflection tells the messages."""
import json
import os

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from checks import CAPITAL, MODEL, check, run

channel = grpc.insecure_channel(os.environ["GRPC_ADDRESS"])
database = ProtoReflectionDescriptorDatabase(channel)
pool = DescriptorPool(database)
service = pool.FindServiceByName("deepseek.v1.Inference")


def message(name, **fields):
    return GetMessageClass(pool.FindMessageTypeByName("deepseek.v1." + name))(**fields)


def call(method, request, timeout=60, **more):
    found = service.FindMethodByName(method)
    make = channel.unary_stream if found.server_streaming else channel.unary_unary
    return make(f"/deepseek.v1.Inference/{method}", request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=GetMessageClass(found.output_type).FromString)(request, timeout=timeout, **more)


def chat(body, **fields):
    return call("Chat", message("ChatRequest", json=json.dumps(body).encode(), **fields))


@check
def reflection_and_health():
    assert {"deepseek.v1.Inference", "grpc.health.v1.Health"} <= set(database.get_services())
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "deepseek.v1.Inference"):
        assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING


@check
def models_and_tokens():
    (model,) = call("Models", message("ModelsRequest")).models
    assert model.name == MODEL and model.max_context > 0 and model.digest
    assert len(call("Tokenize", message("TokenizeRequest", text="Hello")).ids) > 0


@check
def chat_whole_and_streamed():
    asked = {"model": MODEL, "messages": CAPITAL, "temperature": 0, "max_tokens": 64}
    (whole,) = chat(asked)
    assert json.loads(whole.json)["choices"][0]["message"]["content"] == "Lisbon"
    chunks = [json.loads(piece.json) for piece in chat({**asked, "stream": True})]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "Lisbon"
    assert len(chunks) > 2


@check
def generate_is_typed():
    pieces = list(call("Generate", message("GenerateRequest", text="Hello", max_tokens=8, temperature=0, ignore_eos=True)))
    assert pieces[-1].usage.completion_tokens == 8 and pieces[-2].finish_reason == "length"
    assert "".join(p.text for p in pieces)


@check
def errors_and_request_ids():
    answer = chat({"messages": CAPITAL, "max_tokens": 1}, context={"request_id": "check-1"})
    assert dict(answer.initial_metadata())["x-request-id"] == "check-1"
    list(answer)
    for body, code in (({"messages": []}, grpc.StatusCode.INVALID_ARGUMENT),
                       ({"model": "other", "messages": CAPITAL}, grpc.StatusCode.NOT_FOUND)):
        try:
            list(chat(body))
            raise AssertionError("not refused")
        except grpc.RpcError as error:
            assert error.code() == code, error


@check
def cancel_and_deadline():
    long = {"prompt": None, "messages": CAPITAL, "max_tokens": 100000, "ignore_eos": True, "stream": True}
    stream = chat(long)
    next(iter(stream))
    stream.cancel()
    try:
        for _ in call("Chat", message("ChatRequest", json=json.dumps(long).encode()), timeout=0.3):
            pass
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error


run("grpcio", grpc.__version__)
