# Writes the assembler file that embeds the stub, and appends the addresses the supervisor needs.
configure_file(${IN} ${OUT} @ONLY)
execute_process(COMMAND ${NM} ${ELF} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "([0-9a-f]+) [Tt] stub_fork_entry" found "${symbols}")
file(APPEND ${OUT} "
.section .rodata
.balign 8
.globl _ZN8pagefold4stub10kForkEntryE
_ZN8pagefold4stub10kForkEntryE:
  .quad 0x${CMAKE_MATCH_1}
")
