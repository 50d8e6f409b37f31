// Building is one gcc call a file; running is the guest tests' runner, with a link for the loader.
#include "scene.h"

#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace pagefold::ld_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInterpreterLink = "ld.so";

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + " ";
  return text;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  if (what.empty()) return;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

std::string normalised(std::string text, const Scene& scene) {
  replace_all(text, scene.path(kInterpreterLink), "LOADER");
  for (const std::string& loader : {tested_loader(), fs::canonical(tested_loader()).string(), genuine_loader(),
                                    fs::canonical(genuine_loader()).string()}) {
    replace_all(text, loader, "LOADER");
  }
  replace_all(text, scene.path(""), "SCENE/");
  replace_all(text, scene.path("").substr(0, scene.path("").size() - 1), "SCENE");
  return text;
}

void point_interpreter_at(const std::string& loader, const Scene& scene) {
  const std::string link = scene.path(kInterpreterLink);
  fs::remove(link);
  fs::create_symlink(loader, link);
}

}  // namespace

Scene::Scene() {
  fs::create_directory(path("stubs"));
  point_interpreter_at(genuine_loader(), *this);
}

std::string Scene::library_file(const std::string& name) { return name + ".so"; }

Scene& Scene::make(const std::vector<std::string>& command) {
  std::vector<std::string> words = {"/usr/bin/env"};
  words.insert(words.end(), command.begin(), command.end());
  guest_test::Setting setting;
  setting.directory = folder_.path();
  setting.timeout = std::chrono::seconds(100);  // the largest scenes take a minute to build on a busy machine
  const RunResult result = guest_test::run(words, guest_test::Mode::Native, setting);
  if (result.status != 0) throw std::runtime_error(joined(command) + "failed:\n" + result.out + result.err);
  return *this;
}

void Scene::compile(const std::string& output, const std::string& source, const Build& build,
                    std::vector<std::string> words) {
  const std::string source_file = output + ".source";
  file(source_file, source);
  std::vector<std::string> command = {"gcc", "-pipe", "-O1", "-o", output};
  command.insert(command.end(), words.begin(), words.end());
  if (std::string(build.language) != "assembler")
    command.insert(command.end(), {"-include", PAGEFOLD_LD_TESTS "/say.h"});
  command.insert(command.end(), {"-x", build.language, source_file, "-x", "none"});
  words = link_words(build);
  command.insert(command.end(), words.begin(), words.end());
  command.insert(command.end(), build.flags.begin(), build.flags.end());
  make(command);
}

// A library that exists is preferred to its stub: it has symbols, which versions and copies need.
std::vector<std::string> Scene::link_words(const Build& build) const {
  std::vector<std::string> words = {"-Wl,--no-as-needed", "-Wl,--enable-new-dtags", "-Wl,--allow-shlib-undefined"};
  if (!build.runpath.empty()) words.push_back("-Wl,-rpath," + build.runpath);
  for (const std::string& need : build.needs) {
    const std::string real = path(library_file(need));
    words.push_back("-L" + (fs::exists(real) ? fs::path(real).parent_path().string() : path("stubs")));
    words.push_back("-l:" + fs::path(library_file(need)).filename().string());
  }
  return words;
}

Scene& Scene::library(const std::string& name, const std::string& source, const Build& build) {
  const std::string output = library_file(name);
  fs::create_directories(fs::path(path(output)).parent_path());
  std::vector<std::string> words = {"-shared", "-fPIC"};
  if (build.soname) words.push_back("-Wl,-soname," + fs::path(output).filename().string());
  compile(output, source, build, words);
  return *this;
}

Scene& Scene::stub(const std::string& name) {
  const std::string file_name = fs::path(library_file(name)).filename();
  const std::string empty = "stubs/empty.o";
  if (!fs::exists(path(empty))) make({"as", "-o", empty, "/dev/null"});
  return make({"ld", "-shared", "-soname", file_name, "-o", "stubs/" + file_name, empty});
}

Scene& Scene::program(const std::string& source, const Build& build) {
  compile("prog", source, build, {"-Wl,--dynamic-linker=" + path(kInterpreterLink)});
  return *this;
}

Scene& Scene::file(const std::string& name, const std::string& contents) {
  fs::create_directories(fs::path(path(name)).parent_path());
  std::ofstream out(path(name), std::ios::binary);
  out << contents;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path(name));
  return *this;
}

Scene& Scene::folder(const std::string& name) {
  fs::create_directories(path(name));
  return *this;
}

const std::string& genuine_loader() {
  static const std::string path = "/lib64/ld-linux-x86-64.so.2";
  return path;
}

const std::string& tested_loader() {
  static const std::string path = [] {
    const char* chosen = std::getenv("PAGEFOLD_LOADER");
    return std::string(chosen != nullptr ? chosen : PAGEFOLD_LOADER);
  }();
  return path;
}

RunResult run_under(const std::string& loader, const Scene& scene, Way way, const Start& start) {
  point_interpreter_at(loader, scene);
  std::vector<std::string> words = start.wrapper;
  if (way == Way::Command) {
    words.push_back(loader);
    words.insert(words.end(), start.loader_options.begin(), start.loader_options.end());
  }
  words.push_back(scene.path(start.program));
  words.insert(words.end(), start.arguments.begin(), start.arguments.end());
  guest_test::Setting setting;
  setting.timeout = start.timeout;
  setting.directory = start.directory;
  setting.environment = start.environment;
  for (std::vector<std::string>* list : {&words, &setting.environment}) {
    for (std::string& word : *list) replace_all(word, "SCENE", scene.path("").substr(0, scene.path("").size() - 1));
  }
  RunResult result = guest_test::run(words, guest_test::Mode::Native, setting);
  result.out = normalised(std::move(result.out), scene);
  result.err = normalised(std::move(result.err), scene);
  return result;
}

std::string difference_between(const RunResult& genuine, const RunResult& tested) {
  return guest_test::difference(genuine, tested);
}

RunResult agreed(const Scene& scene, const Start& start) {
  RunResult first;
  for (const Way way : start.ways) {
    const RunResult genuine = run_under(genuine_loader(), scene, way, start);
    const RunResult tested = run_under(tested_loader(), scene, way, start);
    EXPECT_EQ(difference_between(genuine, tested), "")
        << "\"native\" is the genuine loader, \"pagefold\" " << tested_loader() << ", started as "
        << (way == Way::Interpreter ? "PT_INTERP" : "a command");
    if (way == start.ways.front()) first = genuine;
  }
  return first;
}

int glibc_minor() { return std::atoi(std::string(::gnu_get_libc_version()).substr(2).c_str()); }

bool may_mount() {
  static const bool may = [] {
    const RunResult result = guest_test::run({"/usr/bin/env", "unshare", "--mount", "true"}, guest_test::Mode::Native);
    return ::getuid() == 0 && result.status == 0;
  }();
  return may;
}

}  // namespace pagefold::ld_test
