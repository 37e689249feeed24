// Loads libamdhip64 and gives it the library's kernels.
//
// The compiler makes code that registers the kernels when the library is loaded, by functions of
// libamdhip64. They are defined here instead, and only take notes: linked to libamdhip64, the
// library could not be loaded where that is missing, and would start it where nobody needs it.
#include <dlfcn.h>
#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <vector>

#include "vendor.hpp"

namespace sluice::device::vendor {
namespace {

struct Function {
  std::size_t module;  // its place among the modules
  const void* host;
  char* on_device;
  const char* name;
  unsigned thread_limit;
};

/// What the compiler's code has said, before main() or while the library is loaded by dlopen().
struct Notes {
  std::vector<const void*> modules;
  std::vector<Function> functions;

  static Notes& instance() {
    static auto* const notes = new Notes;
    return *notes;
  }
};

using RegisterModule = void** (*)(const void*);
using RegisterFunction = void (*)(void**, const void*, char*, const char*, unsigned, void*, void*,
                                  void*, void*, int*);

/// Never taken back: the runtime, loaded later than this library, has ended before it.
void register_kernels(RegisterModule register_module, RegisterFunction register_function) {
  std::vector<void**> modules;
  for (const void* const module : Notes::instance().modules)
    modules.push_back(register_module(module));
  for (const Function& each : Notes::instance().functions)
    register_function(modules[each.module], each.host, each.on_device, each.name, each.thread_limit,
                      nullptr, nullptr, nullptr, nullptr, nullptr);
}

std::string& why_not_loaded() {
  static auto* const why = new std::string;
  return *why;
}

/// What stands for a function of a runtime that cannot be loaded.
template <class F>
struct Missing;
template <class R, class... Arguments>
struct Missing<R (*)(Arguments...)> {
  static R call(Arguments...) {
    if constexpr (std::is_same_v<R, const char*>)
      return why_not_loaded().c_str();
    else
      return hipErrorSharedObjectInitFailed;
  }
};

Functions all_missing() {
  Functions functions;
  functions.for_each([]<class F>(const char*, F& function) { function = &Missing<F>::call; });
  functions.GetErrorName = [](hipError_t) { return "hipErrorSharedObjectInitFailed"; };
  return functions;
}

Functions load() {
  // That release and no other: the layouts of its structures are compiled in.
  const std::string file = fmt::format("libamdhip64.so.{}", HIP_VERSION_MAJOR);
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    why_not_loaded() = fmt::format("{} cannot be loaded: {}", file, why == nullptr ? "?" : why);
    return all_missing();
  }
  Functions functions;
  std::string missing;
  const auto look_up = [&]<class F>(const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library, name));
    if (function == nullptr && missing.empty()) missing = name;
  };
  functions.for_each(look_up);
  RegisterModule register_module = nullptr;
  RegisterFunction register_function = nullptr;
  look_up("__hipRegisterFatBinary", register_module);
  look_up("__hipRegisterFunction", register_function);
  if (!missing.empty()) {
    why_not_loaded() = fmt::format("{} has no {}", file, missing);
    return all_missing();
  }
  register_kernels(register_module, register_function);
  return functions;
}

}  // namespace

const Functions& functions() {
  static const Functions loaded = load();
  return loaded;
}

}  // namespace sluice::device::vendor

// What the compiler's code calls. Hidden by the library's map, so that the code of programs that
// use HIP themselves finds libamdhip64's.
extern "C" {

void** __hipRegisterFatBinary(const void* module) {
  auto& modules = sluice::device::vendor::Notes::instance().modules;
  modules.push_back(module);
  return reinterpret_cast<void**>(modules.size());  // passed back below, never followed
}

void __hipRegisterFunction(void** module, const void* host, char* on_device, const char* name,
                           unsigned thread_limit, void*, void*, void*, void*, int*) {
  sluice::device::vendor::Notes::instance().functions.push_back(
      {reinterpret_cast<std::size_t>(module) - 1, host, on_device, name, thread_limit});
}

void __hipUnregisterFatBinary(void**) {}

// Of launches that are written <<<>>>, which the library has none of: device::launch() does it.
hipError_t __hipPopCallConfiguration(dim3*, dim3*, std::size_t*, hipStream_t*) {
  return hipErrorNotSupported;
}
hipError_t hipLaunchKernel(const void*, dim3, dim3, void**, std::size_t, hipStream_t) {
  return hipErrorNotSupported;
}

}  // extern "C"
