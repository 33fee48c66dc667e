// Whole folders: golden sets as they are, and copies of one with one thing wrong.

#include "engine/weights/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/json_full.h"
#include "engine/weights/check_tensors.h"
#include "engine/weights/verify.h"
#include "tests/support/temp_dir.h"

namespace deepseek::engine {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Golden(const std::string& name) {
  return std::string(TEST_SOURCE_DIR "/tests/golden/") + name;
}

// A copy of a golden set that a test may damage.
class Folder {
  const TempDir dir_{"checkpoint_test"};

 public:
  const fs::path path = dir_.path();
  explicit Folder(const std::string& set) {
    for (const auto& entry : fs::directory_iterator(Golden(set))) {
      const std::string name = entry.path().filename();
      if (name.starts_with("model") || name == "config.json") fs::copy(entry.path(), path / name);
    }
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
  }
  void EditConfig(const std::function<void(Json&)>& edit) const {
    Json json = Json::parse(Read("config.json"));
    edit(json);
    Write("config.json", json.dump());
  }
  /// Rewrites the header of model.safetensors; the data stays.
  void EditHeader(const std::function<void(Json&)>& edit) const {
    const std::string file = Read("model.safetensors");
    uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    Json header = Json::parse(file.substr(8, length));
    edit(header);
    const std::string text = header.dump();
    length = text.size();
    Write("model.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + text +
                                   file.substr(8 + OldLength(file)));
  }
  /// Writes bytes over the start of a tensor's data.
  void Overwrite(const std::string& tensor, const std::string& bytes) const {
    std::string file = Read("model.safetensors");
    const uint64_t length = OldLength(file);
    const Json header = Json::parse(file.substr(8, length));
    file.replace(8 + length + header.at(tensor).at("data_offsets")[0].get<size_t>(), bytes.size(),
                 bytes);
    Write("model.safetensors", file);
  }
  std::string Error() const { return std::string(VerifyCheckpoint(path).status().message()); }

 private:
  static uint64_t OldLength(const std::string& file) {
    uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    return length;
  }
};

TEST(Checkpoint, GoldenSetsAreWhole) {
  for (const char* set : {"llama", "llama_tied", "qwen2", "qwen2_yarn", "deepseek_moe_16b",
                          "deepseek_v2_lite", "deepseek_v2", "deepseek_v3", "deepseek_v3_sharded",
                          "deepseek_v3_fp8", "deepseek_v3_fp8_edge"}) {
    const auto report = VerifyCheckpoint(Golden(set));
    ASSERT_TRUE(report.ok()) << set << report.status();
    EXPECT_GE(report->tensors, 29);  // llama_tied
    EXPECT_FALSE(report->manifest);
    EXPECT_THAT(report->digest, testing::StartsWith("sha256:"));
  }
  EXPECT_TRUE(VerifyCheckpoint(TEST_SOURCE_DIR "/models/demo-v3").ok());
}

TEST(Checkpoint, MissingThings) {
  const Folder sharded("deepseek_v3_sharded");
  fs::remove(sharded.path / "model-00002-of-00003.safetensors");
  const auto open = Checkpoint::Open(sharded.path);
  EXPECT_EQ(open.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(sharded.Error(), HasSubstr("model-00002-of-00003.safetensors: shard is missing"));

  const Folder single("deepseek_v3");
  fs::remove(single.path / "model.safetensors");
  EXPECT_THAT(single.Error(), HasSubstr("no weights (expected model.safetensors"));
  fs::remove(single.path / "config.json");
  EXPECT_THAT(single.Error(), HasSubstr("config.json"));
  EXPECT_EQ(VerifyCheckpoint("/nowhere").status().code(), absl::StatusCode::kNotFound);
}

TEST(Checkpoint, BadIndex) {
  const Folder folder("deepseek_v3_sharded");
  const std::string name = "model.safetensors.index.json";
  const Json good = Json::parse(folder.Read(name));
  const auto error_of = [&](const std::function<void(Json&)>& edit) {
    Json json = good;
    edit(json);
    folder.Write(name, json.dump());
    return folder.Error();
  };
  EXPECT_THAT(error_of([](Json& j) { j["weight_map"] = 3; }), HasSubstr("weight_map is missing"));
  EXPECT_THAT(error_of([](Json& j) { j["weight_map"] = Json::object(); }), HasSubstr("empty"));
  EXPECT_THAT(error_of([](Json& j) { j["weight_map"]["lm_head.weight"] = "../../etc/passwd"; }),
              HasSubstr("not a plain file name"));
  EXPECT_THAT(error_of([](Json& j) { j["weight_map"]["lm_head.weight"] = 1; }),
              HasSubstr("not a file name"));
}

// Indices of other files than these: converters copy them with entries for what they left out, such
// as a tied lm_head, and people add tensors to a shard without naming them.
TEST(Checkpoint, ShardsSayWhatThereIs) {
  const Folder folder("deepseek_v3_sharded");
  const std::string name = "model.safetensors.index.json", head = "lm_head.weight";
  Json index = Json::parse(folder.Read(name));
  const std::string shard = index["weight_map"][head];
  index["weight_map"]["extra"] = shard;
  index["weight_map"].erase(head);
  folder.Write(name, index.dump());
  EXPECT_EQ(folder.Error(), "");
  // What the model needs is missed with the shard that should have it.
  const std::string lost = "model.norm.weight", other = "model-00001-of-00003.safetensors";
  ASSERT_NE(index["weight_map"][lost], other);
  fs::remove(folder.path / index["weight_map"][lost].get<std::string>());
  for (auto& [tensor, file] : index["weight_map"].items()) {
    if (!fs::exists(folder.path / file.get<std::string>())) file = other;
  }
  folder.EditConfig([](Json& j) {
    j["num_hidden_layers"] = 1;
    j["tie_word_embeddings"] = true;
  });
  folder.Write(name, index.dump());
  EXPECT_THAT(folder.Error(), HasSubstr("is missing (the index says it is in " + other + ")"));
}

// Many copies of V3 leave the MTP layers out, and `serve` never reads them: a whole model. With
// some of their tensors something was lost.
TEST(Checkpoint, MtpLayersAreThereOrNot) {
  EXPECT_TRUE(VerifyCheckpoint(Golden("deepseek_v3"))->mtp);
  const Folder without("deepseek_v3_sharded");
  without.EditConfig([](Json& j) { j["num_nextn_predict_layers"] = 1; });
  const auto report = VerifyCheckpoint(without.path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->mtp);
  EXPECT_EQ(report->spec.mtp_layers, 1);
  const Folder part("deepseek_v3");
  const std::string lost = "model.layers.3.enorm.weight";
  part.EditHeader([&](Json& j) {
    j["lost"] = j[lost];
    j.erase(lost);
  });
  EXPECT_THAT(part.Error(), HasSubstr("tensor " + lost + " is missing"));
}

TEST(Checkpoint, TruncatedFile) {
  const Folder folder("deepseek_v3");
  const std::string whole = folder.Read("model.safetensors");
  for (const size_t bytes : {size_t{5}, size_t{1000}, whole.size() / 2, whole.size() - 1}) {
    folder.Write("model.safetensors", whole.substr(0, bytes));
    const auto status = VerifyCheckpoint(folder.path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bytes;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors")) << bytes;
  }
}

TEST(Checkpoint, ShapesAndTypesAreNamed) {
  const Folder folder("deepseek_v3");
  folder.EditConfig([](Json& j) { j["q_lora_rank"] = 40; });
  EXPECT_THAT(folder.Error(),
              HasSubstr("tensor model.layers.0.self_attn.q_a_proj.weight has shape [48, 128], "
                        "config.json asks for [40, 128]"));
  folder.EditConfig([](Json& j) { j["q_lora_rank"] = 48; });
  folder.EditHeader([](Json& j) { j["model.norm.weight"]["dtype"] = "I16"; });
  EXPECT_THAT(folder.Error(),
              HasSubstr("tensor model.norm.weight has type I16, expected BF16, F16 or F32"));
}

TEST(Checkpoint, MissingTensorIsNamed) {
  const Folder folder("deepseek_v3");
  folder.EditHeader([](Json& j) {
    j["model.layers.1.mlp.experts.5.up"] = j["model.layers.1.mlp.experts.5.up_proj.weight"];
    j.erase("model.layers.1.mlp.experts.5.up_proj.weight");
  });
  EXPECT_THAT(folder.Error(),
              HasSubstr("tensor model.layers.1.mlp.experts.5.up_proj.weight is missing"));
}

TEST(Checkpoint, ScalesAreChecked) {
  const std::string scale = "model.layers.0.self_attn.kv_b_proj.weight_scale_inv";
  {
    const Folder folder("deepseek_v3_fp8");
    folder.Overwrite(scale, std::string("\x00\x00\xc0\x7f", 4));
    EXPECT_THAT(folder.Error(), HasSubstr("tensor " + scale + " holds NaN or infinity at [0, 0]"));
  }
  {
    const Folder folder("deepseek_v3_fp8");
    folder.EditHeader([&](Json& j) { j[scale]["shape"] = {1, 3}; });
    EXPECT_THAT(folder.Error(),
                HasSubstr("tensor " + scale + " is F32 [1, 3], expected F32, BF16 or F16 [3, 1]"));
  }
  {
    const Folder folder("deepseek_v3_fp8");
    folder.EditConfig([](Json& j) { j.erase("quantization_config"); });
    EXPECT_THAT(folder.Error(), HasSubstr("is F8_E4M3 but config.json has no quantization_config"));
  }
}

TEST(Checkpoint, NanWeightsAreFoundByVerify) {
  const Folder folder("deepseek_v3_fp8");
  folder.Overwrite("model.layers.2.mlp.experts.3.down_proj.weight", "\x7f");
  EXPECT_THAT(folder.Error(),
              HasSubstr("experts.3.down_proj.weight holds NaN or infinity at [0, 0]"));
}

TEST(Verify, ManifestFindsOtherBytes) {
  const Folder folder("deepseek_v3");
  const auto before = VerifyCheckpoint(folder.path);
  std::string sums;
  for (const auto& [name, sum] : before->sha256) sums += sum + "  " + name + "\n";
  folder.Write("SHA256SUMS", sums);
  ASSERT_TRUE(VerifyCheckpoint(folder.path).ok());
  EXPECT_TRUE(VerifyCheckpoint(folder.path)->manifest);
  EXPECT_EQ(VerifyCheckpoint(folder.path)->digest, before->digest);
  folder.Overwrite("model.norm.weight", std::string("\x01", 1));
  EXPECT_THAT(folder.Error(), HasSubstr("SHA256SUMS says"));
  folder.Write("SHA256SUMS", "hello\n");
  EXPECT_THAT(folder.Error(), HasSubstr("SHA256SUMS: line 1"));
}

}  // namespace
}  // namespace deepseek::engine
