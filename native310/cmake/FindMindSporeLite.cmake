# Finds MindSpore Lite under MSLITE_ROOT, either the vendor's archive (runtime/include, runtime/lib) or the unpacked
# wheel (include, lib, possibly one folder down in mindspore_lite/). Defines the target MindSporeLite::Runtime and, where the
# converter is a library, MindSporeLite::Converter; or MSLITE_CONVERTER_PROGRAM where it is a program.
set(_mslite_prefixes "${MSLITE_ROOT}/runtime" "${MSLITE_ROOT}" "${MSLITE_ROOT}/mindspore_lite")

find_path(MSLITE_INCLUDE_DIR include/api/model.h PATHS ${_mslite_prefixes} NO_DEFAULT_PATH)
find_library(MSLITE_LIBRARY NAMES mindspore-lite mindspore-extendrt_python PATHS ${_mslite_prefixes} PATH_SUFFIXES lib
             NO_DEFAULT_PATH)
find_library(MSLITE_CONVERTER_LIBRARY NAMES mindspore_converter PATHS ${_mslite_prefixes} PATH_SUFFIXES lib
             NO_DEFAULT_PATH)
find_library(MSLITE_CORE_LIBRARY NAMES mindspore_core PATHS ${_mslite_prefixes} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_program(MSLITE_CONVERTER_PROGRAM converter_lite PATHS "${MSLITE_ROOT}/tools/converter/converter" NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MindSporeLite REQUIRED_VARS MSLITE_LIBRARY MSLITE_INCLUDE_DIR)
mark_as_advanced(MSLITE_INCLUDE_DIR MSLITE_LIBRARY MSLITE_CONVERTER_LIBRARY MSLITE_CORE_LIBRARY
                 MSLITE_CONVERTER_PROGRAM)

if(MindSporeLite_FOUND AND NOT TARGET MindSporeLite::Runtime)
  get_filename_component(_mslite_lib_dir "${MSLITE_LIBRARY}" DIRECTORY)
  file(GLOB _mslite_third_party LIST_DIRECTORIES true "${MSLITE_ROOT}/runtime/third_party/*"
       "${MSLITE_ROOT}/tools/converter/lib")
  add_library(MindSporeLite::Runtime INTERFACE IMPORTED)
  target_include_directories(MindSporeLite::Runtime INTERFACE "${MSLITE_INCLUDE_DIR}")
  target_link_libraries(MindSporeLite::Runtime INTERFACE "${MSLITE_LIBRARY}")
  # The vendor's libraries load each other by name only; DT_RPATH, unlike DT_RUNPATH, applies to that, too.
  target_link_options(MindSporeLite::Runtime INTERFACE -Wl,--allow-shlib-undefined -Wl,--disable-new-dtags
                      "-Wl,-rpath,${_mslite_lib_dir}")
  foreach(_folder IN LISTS _mslite_third_party)
    target_link_options(MindSporeLite::Runtime INTERFACE "-Wl,-rpath,${_folder}")
  endforeach()
  if(MSLITE_CONVERTER_LIBRARY AND MSLITE_CORE_LIBRARY AND NOT MSLITE_CONVERTER_PROGRAM)
    add_library(MindSporeLite::Converter INTERFACE IMPORTED)
    # The converter first: it and the runtime export classes of the same names, and quantization needs the converter's.
    target_link_libraries(MindSporeLite::Converter INTERFACE "${MSLITE_CONVERTER_LIBRARY}" MindSporeLite::Runtime
                          "${MSLITE_CORE_LIBRARY}")
  endif()
endif()
