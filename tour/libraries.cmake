# The programs about shared libraries: what is built with options of its own, and who is linked with what. Options that
# distributions set differently (lazy binding, shadow stacks, direct access to a library's variables) are given, so that
# the code shown is the code the text speaks of.
set(tour_special_sources)
set(plain_code -fcf-protection=none -fno-stack-protector -fno-builtin)

# tour_library(NAME SOURCE [OPTIONS...] [LINK OPTIONS...] [SONAME NAME] [NEEDS LIBRARY...]): libNAME.so.
function(tour_library name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "SONAME" "OPTIONS;LINK;NEEDS")
  add_library(tour_lib${name} SHARED ${source})
  set_target_properties(tour_lib${name} PROPERTIES OUTPUT_NAME ${name} NO_SONAME ON POSITION_INDEPENDENT_CODE OFF)
  tour_target(tour_lib${name})
  target_compile_options(tour_lib${name} PRIVATE ${plain_code} ${arg_OPTIONS})
  if(NOT arg_SONAME)
    set(arg_SONAME lib${name}.so)
  endif()
  target_link_options(tour_lib${name} PRIVATE -Wl,-soname,${arg_SONAME} ${arg_LINK})
  foreach(needed ${arg_NEEDS})
    target_link_libraries(tour_lib${name} PRIVATE tour_lib${needed})
  endforeach()
  set(tour_special_sources ${tour_special_sources} ${CMAKE_CURRENT_SOURCE_DIR}/${source} PARENT_SCOPE)
endfunction()

# tour_linked(NAME SOURCE [OPTIONS...] [LINK OPTIONS...] [NEEDS LIBRARY...] [WITH SOURCE...]): a program of a SOURCE.
function(tour_linked name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "OPTIONS;LINK;NEEDS;WITH")
  tour_program(${name} ${source} ${arg_WITH})
  target_compile_options(tour_${name} PRIVATE ${arg_OPTIONS})
  target_link_options(tour_${name} PRIVATE -Wl,--no-as-needed ${arg_LINK})
  foreach(needed ${arg_NEEDS})
    target_link_libraries(tour_${name} PRIVATE tour_lib${needed})
  endforeach()
  list(TRANSFORM arg_WITH PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set(tour_special_sources ${tour_special_sources} ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${arg_WITH} PARENT_SCOPE)
endfunction()

# who loads: one program, three times: with the interpreter of its kind, with one of ours, with a library that is nowhere.
set(freestanding -ffreestanding -fno-stack-protector -fcf-protection=none -fno-builtin -mno-sse)
tour_library(absent who-loads/absent.c OPTIONS -fpic SONAME libabsent.so.7)
tour_linked(loaded who-loads/loaded.c)
tour_linked(stranger who-loads/loaded.c LINK -Wl,--dynamic-linker=interpreter)
tour_linked(orphan who-loads/loaded.c NEEDS absent)
tour_linked(interpreter who-loads/interpreter.c OPTIONS ${freestanding} -fpie LINK -nostdlib -static-pie)

# any address: one source, position independent or not.
tour_library(counter any-address/counter.c OPTIONS -fpic)
tour_library(fixed any-address/counter.c OPTIONS -fno-pic -mcmodel=large LINK -Wl,-z,notext)

# The 32-bit ones need neither headers nor libraries, only a compiler and a linker that know -m32.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS "-m32 -ffreestanding -nostdlib")
set(CMAKE_REQUIRED_LINK_OPTIONS -m32 -nostdlib)
check_c_source_compiles("void _start(void) {} int main(void) { return 0; }" PAGEFOLD_M32)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
list(APPEND tour_special_sources ${CMAKE_CURRENT_SOURCE_DIR}/who-loads/loaded32.c)
if(PAGEFOLD_M32)
  tour_library(counter32 any-address/counter.c OPTIONS -m32 ${freestanding} -fpic LINK -m32 -nostdlib)
  tour_linked(loaded32 who-loads/loaded32.c OPTIONS -m32 ${freestanding} -fpie NEEDS counter32
    LINK -m32 -nostdlib -pie -Wl,--dynamic-linker=/lib/ld-linux.so.2)
endif()

# names: four objects in a row; two of them define the same name.
tour_library(alpha names/alpha.c OPTIONS -fpic)
tour_library(beta names/beta.c OPTIONS -fpic)
tour_library(gamma names/gamma.c OPTIONS -fpic)
tour_library(wanting names/wanting.c OPTIONS -fpic)
tour_linked(search names/search.c OPTIONS ${plain_code} NEEDS alpha beta gamma)

# PLT and GOT: bound when called, and bound at the start.
set(classic_plt ${plain_code} -fpie -fplt)
tour_linked(plt plt-and-got/plt.c OPTIONS ${classic_plt} LINK -pie -Wl,-z,lazy -Wl,-z,relro)
tour_linked(plt-now plt-and-got/plt.c OPTIONS ${classic_plt} LINK -pie -Wl,-z,now -Wl,-z,relro)

# PIE: the same function in a library and in the main program.
tour_library(next pie/next.c OPTIONS -fpic)
tour_linked(pie pie/pie.c WITH pie/next.c OPTIONS ${plain_code} -fpie LINK -pie NEEDS next)

# sharing and replacing.
tour_library(shared sharing/shared.c OPTIONS -fpic)
tour_linked(sharer sharing/sharer.c NEEDS shared)
tour_library(greeting1 replace-it/greeting.c OPTIONS -fpic -DVERSION=1 SONAME libgreeting.so.1)
tour_library(greeting2 replace-it/greeting.c OPTIONS -fpic -DVERSION=2 SONAME libgreeting.so.1)
tour_linked(speaker replace-it/speaker.c NEEDS greeting1)
tour_linked(singer replace-it/singer.c NEEDS greeting1)
