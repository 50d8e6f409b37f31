# Run inside gdb by tools/glibc-layout.sh: reads the DWARF of one glibc's ld.so and writes what src/ld/abi/glibc/fields.txt lists.
# LIBC, LDSO: the two files; FIELDS: the list; OUT: the folder that gets layout_fields.h and tables/<build-id>.inc.
import os
import re

import gdb

LIBC, LDSO, FIELDS, OUT = (os.environ[name] for name in ("LIBC", "LDSO", "FIELDS", "OUT"))
ABSENT = "kAbsent"
SUFFIX = {"width": "_bits", "size": "_size", "count": "_count"}


def parse_list():
    """[(group, C type, [(kind, member)])] in the order of the file."""
    groups = []
    for line in open(FIELDS):
        line = line.split("#")[0].strip()
        head = re.match(r"\[(\w+)\] (.*)", line)
        if head:
            groups.append((head[1], head[2], []))
        elif line:
            kind, _, member = line.partition(" ")
            groups[-1][2].append((kind, member.strip()))
    return groups


def cxx_name(kind, member):
    if not member:
        return "size"
    return member.lstrip("_").replace(".", "_") + SUFFIX.get(kind, "")


def lookup_type(name):
    try:
        return gdb.lookup_type(name).strip_typedefs()
    except gdb.error:
        return None


def step(struct, name):
    """(bit position, field) of a direct member, also inside anonymous structs and unions."""
    for field in struct.fields():
        if not hasattr(field, "bitpos"):
            continue
        if field.name == name:
            return field.bitpos, field
        if not field.name:
            inner = step(field.type.strip_typedefs(), name)
            if inner:
                return field.bitpos + inner[0], inner[1]
    return None


def resolve(struct, path):
    bits, field = 0, None
    for name in path.split("."):
        found = step(struct, name)
        if not found:
            return None
        bits, field = bits + found[0], found[1]
        struct = field.type.strip_typedefs()
    return bits, field


def fact(kind, struct, member):
    if kind == "symbol":
        return symbol_offset(member)
    if struct is None:
        return ABSENT
    if not member:
        return struct.sizeof
    found = resolve(struct, member)
    if not found:
        return ABSENT
    bits, field = found
    if (kind in ("bit", "width")) != bool(field.bitsize):
        raise SystemExit(f"{struct}.{member}: became or is no bit-field; correct {FIELDS}")
    kinds = {
        "offset": lambda: bits // 8,
        "bit": lambda: bits,
        "width": lambda: field.bitsize,
        "size": lambda: field.type.sizeof,
        "count": lambda: field.type.strip_typedefs().range()[1] + 1,
    }
    return kinds[kind]()


def symbol_offset(name):
    """Where the loader finds the symbol's bytes with one pread of the file."""
    address = SYMBOLS.get(name)
    if address is None:
        return ABSENT
    for offset, start, size in SEGMENTS:
        if start <= address < start + size:
            return address - start + offset
    raise SystemExit(f"{LIBC}: {name} lies in no segment")


def word(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def read_elf(data):
    """(program headers, {dynamic symbol: value}, build-id) of an ELF64 little-endian image."""
    headers = [data[word(data, 32, 8) + i * 56 :][:56] for i in range(word(data, 56, 2))]
    segments = [(word(h, 8, 8), word(h, 16, 8), word(h, 32, 8)) for h in headers if word(h, 0, 4) == 1]
    build_id = None
    for h in headers:
        note, end = word(h, 8, 8), word(h, 8, 8) + word(h, 32, 8)
        while word(h, 0, 4) == 4 and note + 12 < end:
            name, desc, kind = word(data, note, 4), word(data, note + 4, 4), word(data, note + 8, 4)
            start = note + 12 + (name + 3 & -4)
            if kind == 3 and data[note + 12 : note + 16] == b"GNU\0":
                build_id = data[start : start + desc]
            note = start + (desc + 3 & -4)
    symbols = {}
    sections = [data[word(data, 40, 8) + i * 64 :][:64] for i in range(word(data, 60, 2))]
    for s in sections:
        if word(s, 4, 4) != 11:  # SHT_DYNSYM
            continue
        strings = word(sections[word(s, 40, 4)], 24, 8)
        for at in range(word(s, 24, 8), word(s, 24, 8) + word(s, 32, 8), 24):
            start = strings + word(data, at, 4)
            symbols[data[start : data.index(0, start)].decode()] = word(data, at + 8, 8)
    return segments, symbols, build_id


def tunables():
    def text(value):
        return value.string(errors="strict").rstrip("\0")

    types = {"TUNABLE_TYPE_INT_32": "kInt32", "TUNABLE_TYPE_UINT_64": "kUint64",
             "TUNABLE_TYPE_SIZE_T": "kSizeT", "TUNABLE_TYPE_STRING": "kString"}
    levels = {"TUNABLE_SECLEVEL_SXID_ERASE": "kErase", "TUNABLE_SECLEVEL_SXID_IGNORE": "kIgnore",
              "TUNABLE_SECLEVEL_NONE": "kNone"}
    entries = gdb.parse_and_eval("tunable_list")
    fields = [f.name for f in entries.type.target().fields()]
    for i in range(entries.type.range()[1] + 1):
        entry = entries[i]
        default = entry["val"] if "def" not in fields else entry["def"]
        level = levels[str(entry["security_level"])] if "security_level" in fields else "kErase"
        number = [int(entry["type"][b]) & (1 << 64) - 1 for b in ("min", "max")] + [int(default["numval"]) & (1 << 64) - 1]
        alias = text(entry["env_alias"]) if "env_alias" in fields else ""
        yield (f'  {{"{text(entry["name"])}", "{alias}", {", ".join(f"{n:#x}" for n in number)}, '
               f'TunableType::{types[str(entry["type"]["type_code"])]}, SecurityLevel::{level}}},')


def rseq_used():
    """The value that ld.so stores into __rseq_size after a registration: 32 in early point releases of 2.36, 20 in later ones. From the
    code of __tls_init_tp, its only stores of either constant. 0 where the area's size is the kernel's word (2.41)."""
    if not resolve(lookup_type("struct pthread"), "rseq_area"):
        return 0
    code = gdb.execute("disassemble __tls_init_tp", to_string=True)
    stored = {int(value, 16) for value in re.findall(r"movl\s+\$0x(14|20),[^,]*\(%r", code)}
    if len(stored) != 1:
        raise SystemExit(f"{LDSO}: what it stores into __rseq_size is not to be seen; read __tls_init_tp and extend rseq_used()")
    return stored.pop()


def write_struct(groups):
    out = ["// Generated by tools/glibc-layout.sh from fields.txt: do not edit.", "#pragma once", "",
           "#include <cstdint>", "", "namespace pagefold::ld::glibc {", "", "struct Layout {"]
    for group, c_type, facts in groups:
        out.append(f"  struct {{  // {c_type}")
        out += [f"    uint32_t {cxx_name(*f)};" for f in facts]
        out.append(f"  }} {group};")
    out += ["};", "", "}  // namespace pagefold::ld::glibc", ""]
    open(f"{OUT}/layout_fields.h", "w").write("\n".join(out))


def write_table(groups):
    release = re.search(rb"GNU C Library \(.*? (?:GLIBC )?([^ )]+)\)[^.]*release version 2\.(\d+)", LIBC_BYTES)
    version, minor = release[1].decode(), int(release[2])
    list_of_tunables = list(tunables())
    if word(LIBC_BYTES, 0, 4) != 0x464C457F or BUILD_ID is None or len(BUILD_ID) != 20:
        raise SystemExit(f"{LIBC}: no build-id of 20 bytes")
    out = [f"// glibc {version}. Generated by tools/glibc-layout.sh from its DWARF: do not edit.",
           "{{" + ", ".join(f"0x{b:02x}" for b in BUILD_ID) + "},", f'"{version}", {minor}, {rseq_used()}, {len(list_of_tunables)},', "{"]
    for group, c_type, facts in groups:
        struct = lookup_type(c_type)
        out.append(f"  .{group} = {{")
        out += [f"    .{cxx_name(*f)} = {fact(f[0], struct, f[1])}," for f in facts]
        out.append("  },")
    out += ["},", "{", *list_of_tunables, "}},", ""]
    open(f"{OUT}/tables/{BUILD_ID.hex()}.inc", "w").write("\n".join(out))
    print(f"{version}: tables/{BUILD_ID.hex()}.inc")


LIBC_BYTES = open(LIBC, "rb").read()
SEGMENTS, SYMBOLS, BUILD_ID = read_elf(LIBC_BYTES)
write_struct(parse_list())
write_table(parse_list())
