#include "base/log.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::log {
namespace {

std::atomic<Format> format{Format::kJson};

std::string Quote(std::string_view text) {
  return DumpJson(Json(std::string(text)));
}

spdlog::logger& Logger() {
  static spdlog::logger& logger = *[] {
    auto* l = new spdlog::logger("deepseek", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    l->set_pattern("%v");
    l->set_level(spdlog::level::info);
    l->flush_on(spdlog::level::trace);
    return l;
  }();
  return logger;
}

spdlog::level::level_enum ToSpd(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};

}  // namespace

Field::Field(std::string_view k, std::string_view v) : key(k), json(Quote(v)) {}
Field::Field(std::string_view k, const char* v) : key(k), json(Quote(v)) {}
Field::Field(std::string_view k, const std::string& v) : key(k), json(Quote(v)) {}
Field::Field(std::string_view k, bool v) : key(k), json(v ? "true" : "false") {}
Field::Field(std::string_view k, double v) : key(k), json(DumpJson(Json(v))) {}
Field::Field(std::string_view k, int v) : key(k), json(StrCat(v)) {}
Field::Field(std::string_view k, long v) : key(k), json(StrCat(v)) {}
Field::Field(std::string_view k, long long v) : key(k), json(StrCat(v)) {}
Field::Field(std::string_view k, unsigned v) : key(k), json(StrCat(v)) {}
Field::Field(std::string_view k, unsigned long v) : key(k), json(StrCat(v)) {}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  const auto spd = ToSpd(level);
  if (!Logger().should_log(spd)) return;
  const std::string_view name = kNames[static_cast<int>(level)];
  std::string line;
  if (format.load() == Format::kJson) {
    const auto now = std::chrono::system_clock::now();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() %
        1000;
    line = fmt::format(R"({{"ts":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","msg":{})",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, name,
                       Quote(message));
    for (const Field& f : fields) StrAppend(&line, ",", Quote(f.key), ":", f.json);
    line += '}';
  } else {
    line = StrCat(name, ": ", message);
    for (const Field& f : fields) StrAppend(&line, " ", f.key, "=", f.json);
  }
  Logger().log(spd, line);
}

void SetLevel(Level level) {
  Logger().set_level(ToSpd(level));
}
void SetFormat(Format f) {
  format = f;
}

absl::Status SetLevelByName(std::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (kNames[i] == name) {
      SetLevel(static_cast<Level>(i));
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      StrCat("log level '", name, "' is unknown (use debug, info, warn or error)"));
}

}  // namespace deepseek::log
