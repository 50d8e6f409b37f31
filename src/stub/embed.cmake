# Writes the assembler file that embeds the stub, and appends the addresses the supervisor needs.
configure_file(${IN} ${OUT} @ONLY)
execute_process(COMMAND ${NM} ${ELF} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
function(embed_address symbol name)
  string(REGEX MATCH "([0-9a-f]+) [Tt] ${symbol}\n" found "${symbols}")
  string(LENGTH ${name} length)
  file(APPEND ${OUT} "
.section .rodata
.balign 8
.globl _ZN8pagefold4stub${length}${name}E
_ZN8pagefold4stub${length}${name}E:
  .quad 0x${CMAKE_MATCH_1}
")
endfunction()
embed_address(stub_fork_entry kForkEntry)
embed_address(stub_signal_entry kSignalEntry)
embed_address(stub_system_call kSystemCall)
