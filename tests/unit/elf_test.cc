// src/elf against images made by hand: what is right is understood, what lies about itself is refused, in bounded time.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "elf/dynamic.h"
#include "elf/hash.h"
#include "elf/header.h"
#include "elf/load_plan.h"
#include "elf/notes.h"
#include "elf/relr.h"
#include "elf/versions.h"

namespace pagefold::elf {
namespace {

constexpr uint64_t kPage = 4096;

Elf64_Ehdr good_header() {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phoff = sizeof header;
  return header;
}

HeaderCheck check(const Elf64_Ehdr& header) { return check_header<Elf64>(Bytes(&header, sizeof header), EM_X86_64); }

TEST(ElfBytes, RefusesWhatDoesNotLieInside) {
  alignas(8) const uint64_t words[4] = {1, 2, 3, 4};
  const Bytes bytes(words, sizeof words);
  EXPECT_EQ(*bytes.at<uint64_t>(24), 4u);
  EXPECT_EQ(bytes.at<uint64_t>(25), nullptr);
  EXPECT_EQ(bytes.at<uint64_t>(~uint64_t{0}), nullptr);
  EXPECT_EQ(bytes.at<uint32_t>(2), nullptr) << "not aligned";
  EXPECT_EQ(bytes.table<uint64_t>(0, 4).count, 4u);
  EXPECT_EQ(bytes.table<uint64_t>(8, 4).data, nullptr);
  EXPECT_EQ(bytes.table<uint64_t>(0, ~uint64_t{0} / 4).data, nullptr) << "count times size overflows";
}

TEST(ElfBytes, AStringMustEndInside) {
  const char text[] = {'a', 'b', '\0', 'c'};
  const Bytes bytes(text, sizeof text);
  EXPECT_STREQ(bytes.string(1), "b");
  EXPECT_EQ(bytes.string(3), nullptr);
  EXPECT_EQ(bytes.string(99), nullptr);
}

TEST(ElfHeader, SaysWhatGlibcSays) {
  struct Case {
    const char* what;
    Verdict verdict;
    void (*spoil)(Elf64_Ehdr&);
  };
  const Case cases[] = {
      {nullptr, Verdict::kGood, [](Elf64_Ehdr&) {}},
      {"invalid ELF header", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_ident[1] = 'X'; }},
      {"wrong ELF class", Verdict::kOtherClass, [](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }},
      {"ELF file data encoding not little-endian", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; }},
      {"ELF file OS ABI invalid", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_ident[EI_OSABI] = ELFOSABI_FREEBSD; }},
      {"ELF file ABI version invalid", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_ident[EI_ABIVERSION] = 9; }},
      {"nonzero padding in e_ident", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_ident[EI_PAD] = 1; }},
      {"ELF file version does not match current one", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_version = 2; }},
      {"wrong machine", Verdict::kOtherMachine, [](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; }},
      {"only ET_DYN and ET_EXEC can be loaded", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_type = ET_REL; }},
      {"ELF file's phentsize not the expected size", Verdict::kBad, [](Elf64_Ehdr& h) { h.e_phentsize = 1; }},
  };
  for (const Case& c : cases) {
    Elf64_Ehdr header = good_header();
    c.spoil(header);
    const HeaderCheck result = check(header);
    EXPECT_EQ(result.verdict, c.verdict) << (c.what == nullptr ? "good" : c.what);
    EXPECT_STREQ(result.defect.what, c.what);
  }
}

TEST(ElfHeader, TooShortIsSaid) {
  const Elf64_Ehdr header = good_header();
  EXPECT_STREQ(check_header<Elf64>(Bytes(&header, 63), EM_X86_64).defect.what, "file too short");
}

Elf64_Phdr load_segment(uint64_t address, uint64_t file_size, uint64_t size, uint32_t flags = PF_R) {
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_offset = address;
  segment.p_vaddr = address;
  segment.p_filesz = file_size;
  segment.p_memsz = size;
  segment.p_align = kPage;
  segment.p_flags = flags;
  return segment;
}

Defect plan_of(const std::vector<Elf64_Phdr>& segments, LoadPlan& plan, uint64_t file_size = 1 << 20) {
  static Elf64_Ehdr header;
  header = good_header();
  return LoadPlanner<Elf64>(header, {segments.data(), segments.size()}, file_size, kPage).make(plan);
}

TEST(ElfLoadPlan, CoversAllSegmentsInPages) {
  LoadPlan plan;
  EXPECT_FALSE(plan_of({load_segment(0, 0x1800, 0x1800), load_segment(0x3e00, 0x400, 0x2400, PF_R | PF_W)}, plan));
  EXPECT_EQ(plan.start, 0u);
  EXPECT_EQ(plan.end, 0x7000u);
  EXPECT_EQ(plan.loads, 2u);
  EXPECT_TRUE(plan.has_holes);
  EXPECT_TRUE(plan.headers_loaded);
  EXPECT_EQ(plan.headers, sizeof(Elf64_Ehdr));
}

TEST(ElfLoadPlan, TwoSegmentsMayShareAPage) {
  LoadPlan plan;
  EXPECT_FALSE(plan_of({load_segment(0, 0x1800, 0x1800), load_segment(0x1900, 0x100, 0x100, PF_R | PF_W)}, plan));
  EXPECT_FALSE(plan.has_holes);
}

TEST(ElfLoadPlan, RefusesWhatCannotBeMapped) {
  LoadPlan plan;
  EXPECT_STREQ(plan_of({}, plan).what, "object file has no loadable segments");
  Elf64_Phdr crooked = load_segment(0x1000, 1, 1);
  crooked.p_offset = 0x1001;
  EXPECT_STREQ(plan_of({crooked}, plan).what, "ELF load command address/offset not page-aligned");
  Elf64_Phdr small = load_segment(0x1000, 1, 1);
  small.p_align = 16;
  EXPECT_STREQ(plan_of({small}, plan).what, "ELF load command alignment not page-aligned");
  EXPECT_STREQ(plan_of({load_segment(0, 0x2000, 0x2000), load_segment(0x1000, 1, 1)}, plan).what,
               "ELF load commands overlap or are not in order");
  EXPECT_STREQ(plan_of({load_segment(0, 0x3000, 0x3000)}, plan, 0x2000).what, "file too short");
  EXPECT_STREQ(plan_of({load_segment(0, 0x3000, 0x1000)}, plan).what, "ELF load command larger in the file than in memory");
  EXPECT_TRUE(plan_of({load_segment(0, 1, ~uint64_t{0})}, plan)) << "a size that wraps around";
}

TEST(ElfLoadPlan, TlsAlignmentMustBeAPowerOfTwo) {
  LoadPlan plan;
  Elf64_Phdr tls = load_segment(0, 8, 16);
  tls.p_type = PT_TLS;
  tls.p_align = 24;
  EXPECT_STREQ(plan_of({load_segment(0, 0x1000, 0x1000), tls}, plan).what, "TLS segment alignment is no power of two");
}

// An image of one segment, filled by hand.
class ElfImage : public ::testing::Test {
 protected:
  ElfImage() : memory_(0x4000) {
    segment_ = load_segment(0, memory_.size(), memory_.size(), PF_R | PF_W);
    image_ = Image<Elf64>(reinterpret_cast<uint64_t>(memory_.data()), {&segment_, 1});
  }
  template <class T>
  void put(uint64_t at, const T& value) {
    std::memcpy(memory_.data() + at, &value, sizeof value);
  }
  void put_text(uint64_t at, const std::string& text) { std::memcpy(memory_.data() + at, text.c_str(), text.size() + 1); }
  Defect read_dynamic(const std::vector<Elf64_Dyn>& entries) {
    for (size_t i = 0; i < entries.size(); ++i) put(0x100 + i * sizeof(Elf64_Dyn), entries[i]);
    view_ = {};
    return DynamicReader<Elf64>(image_, view_).read(0x100, entries.size() * sizeof(Elf64_Dyn));
  }

  struct alignas(16) Block {
    char bytes[16];
  };
  struct Memory : std::vector<Block> {
    explicit Memory(size_t n) : std::vector<Block>(n / 16) {}
    char* data() { return reinterpret_cast<char*>(std::vector<Block>::data()); }
    size_t size() const { return std::vector<Block>::size() * 16; }
  } memory_;
  Elf64_Phdr segment_;
  Image<Elf64> image_;
  ObjectView<Elf64> view_;
};

TEST_F(ElfImage, NamesComeFromTheStringTable) {
  put_text(0x200, "");
  put_text(0x201, "libone.so");
  EXPECT_FALSE(read_dynamic({{DT_STRTAB, {0x200}}, {DT_STRSZ, {11}}, {DT_SONAME, {1}}, {DT_NULL, {0}}}));
  EXPECT_STREQ(view_.soname, "libone.so");
  EXPECT_EQ(view_.entries.count, 3u);
}

TEST_F(ElfImage, AStringTableWithoutEndEndsAtItsLastZero) {
  put_text(0x200, "ab");
  put(0x203, 'x');
  EXPECT_FALSE(read_dynamic({{DT_STRTAB, {0x200}}, {DT_STRSZ, {4}}, {DT_NULL, {0}}}));
  EXPECT_EQ(view_.strings.size, 3u);
  EXPECT_EQ(view_.string(3), nullptr);
}

TEST_F(ElfImage, RefusesTablesOutside) {
  const uint64_t outside = 0x100000;
  for (const Elf64_Dyn bad : {Elf64_Dyn{DT_STRTAB, {outside}}, Elf64_Dyn{DT_SYMTAB, {outside}}, Elf64_Dyn{DT_GNU_HASH, {outside}},
                              Elf64_Dyn{DT_VERSYM, {outside}}, Elf64_Dyn{DT_VERNEED, {outside}}, Elf64_Dyn{DT_HASH, {outside}}})
    EXPECT_TRUE(read_dynamic({bad, {DT_NULL, {0}}})) << bad.d_tag;
  EXPECT_TRUE(read_dynamic({{DT_RELA, {0x200}}, {DT_RELASZ, {uint64_t{1} << 40}}, {DT_NULL, {0}}}));
  EXPECT_TRUE(read_dynamic({{DT_INIT_ARRAY, {0x3ff8}}, {DT_INIT_ARRAYSZ, {16}}, {DT_NULL, {0}}}));
  EXPECT_TRUE(read_dynamic({{DT_NEEDED, {7}}, {DT_NULL, {0}}})) << "a name without a string table";
}

TEST_F(ElfImage, PltRelocationsInsideTheOthersAreCountedOnce) {
  const uint64_t entry = sizeof(Elf64_Rela);
  EXPECT_FALSE(read_dynamic({{DT_RELA, {0x200}}, {DT_RELASZ, {3 * entry}}, {DT_JMPREL, {0x200 + 2 * entry}}, {DT_PLTRELSZ, {entry}},
                             {DT_RELACOUNT, {99}}, {DT_NULL, {0}}}));
  EXPECT_EQ(view_.rela.count, 2u);
  EXPECT_EQ(view_.plt_rela.count, 1u);
  EXPECT_EQ(view_.relative_count, 2u) << "never more than there are";
}

TEST_F(ElfImage, PltRelocationsThatBeginInsideAnEntryEndTheOthersBeforeIt) {
  EXPECT_FALSE(read_dynamic({{DT_RELA, {0x200}}, {DT_RELASZ, {3 * sizeof(Elf64_Rela)}}, {DT_JMPREL, {0x200 + 32}},
                             {DT_PLTRELSZ, {sizeof(Elf64_Rela)}}, {DT_NULL, {0}}}));
  EXPECT_EQ(view_.rela.count, 1u);
}

TEST_F(ElfImage, ADynamicSectionWithoutEndIsADefect) {
  for (uint64_t at = 0x100; at + sizeof(Elf64_Dyn) <= memory_.size(); at += sizeof(Elf64_Dyn)) put(at, Elf64_Dyn{DT_DEBUG, {0}});
  view_ = {};
  EXPECT_TRUE(DynamicReader<Elf64>(image_, view_).read(0x100, ~uint64_t{0}));
}

TEST_F(ElfImage, GnuHashFindsAndEnds) {
  // One bucket, one filter word that lets all pass, symbols 1 and 2 with the hash of "f".
  const uint32_t hash = gnu_hash("f");
  const uint32_t words[] = {1, 1, 1, 6, 0xffffffff, 0xffffffff, 1, hash & ~1u, hash | 1u};
  put(0x300, words);
  GnuHash table;
  ASSERT_TRUE(read_gnu_hash(image_, 0x300, table));
  EXPECT_TRUE(table.maybe_has(hash));
  std::vector<uint32_t> seen;
  EXPECT_EQ(table.candidates(hash, [&](uint32_t i) { seen.push_back(i); return i == 2; }), 2u);
  EXPECT_EQ(seen, (std::vector<uint32_t>{1, 2}));
}

TEST_F(ElfImage, AGnuChainWithoutEndStopsAtTheImage) {
  const uint32_t head[] = {1, 1, 1, 6, 0xffffffff, 0xffffffff, 1};
  put(0x300, head);
  for (uint64_t at = 0x31c; at < memory_.size(); at += 4) put(at, uint32_t{0});
  GnuHash table;
  ASSERT_TRUE(read_gnu_hash(image_, 0x300, table));
  uint64_t visits = 0;
  EXPECT_EQ(table.candidates(0, [&](uint32_t) { ++visits; return false; }), 0u);
  EXPECT_LE(visits, memory_.size() / 4);
}

TEST_F(ElfImage, RefusesAbsurdHashTables) {
  GnuHash gnu;
  const uint32_t many_buckets[] = {0xffffffff, 1, 1, 6};
  put(0x300, many_buckets);
  EXPECT_FALSE(read_gnu_hash(image_, 0x300, gnu));
  const uint32_t odd_filter[] = {1, 1, 3, 6};
  put(0x300, odd_filter);
  EXPECT_FALSE(read_gnu_hash(image_, 0x300, gnu));
  SysvHash sysv;
  const uint32_t absurd[] = {0xffffffff, 0xffffffff};
  put(0x300, absurd);
  EXPECT_FALSE(read_sysv_hash(image_, 0x300, sysv));
}

TEST_F(ElfImage, ASysvChainThatLoopsIsLeft) {
  const uint32_t words[] = {1, 3, 1, 0, 2, 1};  // bucket -> 1 -> 2 -> 1 ...
  put(0x300, words);
  SysvHash table;
  ASSERT_TRUE(read_sysv_hash(image_, 0x300, table));
  unsigned visits = 0;
  EXPECT_EQ(table.candidates(0, [&](uint32_t) { ++visits; return false; }), 0u);
  EXPECT_EQ(visits, 3u);
}

TEST(ElfHash, KnownValues) {
  EXPECT_EQ(gnu_hash(""), 5381u);
  EXPECT_EQ(gnu_hash("printf"), 0x156b2bb8u);
  EXPECT_EQ(sysv_hash("printf"), 0x077905a6u);
}

TEST(ElfHash, GnuHashTakesTheBytesOneByOneWhateverTheLength) {
  std::string name;
  uint32_t expected = 5381;
  for (int length = 0; length < 40; ++length) {
    EXPECT_EQ(gnu_hash(name.c_str()), expected) << name;
    const auto byte = static_cast<unsigned char>(length % 2 == 0 ? 'a' + length : 0xc0 + length);
    name.push_back(static_cast<char>(byte));
    expected = expected * 33 + byte;
  }
}

TEST_F(ElfImage, VersionRequirementsAreWalked) {
  put_text(0x200, "");
  put_text(0x201, "libc.so.6");
  put_text(0x20b, "GLIBC_2.34");
  put(0x300, Elf64_Verneed{1, 1, 1, sizeof(Elf64_Verneed), 0});
  put(0x300 + sizeof(Elf64_Verneed), Elf64_Vernaux{0x69691b4, 0, 2, 11, 0});
  ASSERT_FALSE(read_dynamic({{DT_STRTAB, {0x200}}, {DT_STRSZ, {22}}, {DT_VERNEED, {0x300}}, {DT_VERNEEDNUM, {1}}, {DT_NULL, {0}}}));
  unsigned count = 0;
  EXPECT_FALSE(for_each_needed_version(view_, [&](const NeededVersion& want) {
    ++count;
    EXPECT_STREQ(want.file, "libc.so.6");
    EXPECT_STREQ(want.name, "GLIBC_2.34");
    EXPECT_EQ(want.index, 2);
    return true;
  }));
  EXPECT_EQ(count, 1u);
}

TEST_F(ElfImage, VersionListsThatLeadOutsideAreDefects) {
  put_text(0x200, "");
  put_text(0x201, "l");
  put(0x300, Elf64_Verneed{1, 1, 1, 0x7fffffff, 0});
  ASSERT_FALSE(read_dynamic({{DT_STRTAB, {0x200}}, {DT_STRSZ, {3}}, {DT_VERNEED, {0x300}}, {DT_VERNEEDNUM, {1}}, {DT_NULL, {0}}}));
  EXPECT_TRUE(for_each_needed_version(view_, [](const NeededVersion&) { return true; }));
  put(0x300, Elf64_Verdef{7, 0, 0, 0, 0, 0, 0});
  ASSERT_FALSE(read_dynamic({{DT_VERDEF, {0x300}}, {DT_VERDEFNUM, {1}}, {DT_NULL, {0}}}));
  EXPECT_STREQ(for_each_defined_version(view_, [](const DefinedVersion&) { return true; }).what,
               "unsupported version of Verdef record");
}

TEST(ElfNotes, FindsTheBuildId) {
  alignas(8) const uint32_t notes[] = {4, 4, 1, 0x554e47, 7, 4, 8, NT_GNU_BUILD_ID, 0x554e47, 0x11111111, 0x22222222};
  const Bytes id = build_id(Bytes(notes, sizeof notes), 4);
  ASSERT_EQ(id.size(), 8u);
  EXPECT_EQ(*id.at<uint32_t>(0), 0x11111111u);
}

TEST(ElfNotes, ANoteLargerThanItsSectionEndsTheWalk) {
  alignas(8) const uint32_t notes[] = {4, 0xffffffff, NT_GNU_BUILD_ID, 0x554e47};
  EXPECT_TRUE(build_id(Bytes(notes, sizeof notes), 4).empty());
}

TEST(ElfRelr, BitmapsFollowTheirAddress) {
  const uint64_t words[] = {0x1000, 0b1011, 0x2000};
  std::vector<uint64_t> places;
  EXPECT_TRUE(for_each_relr({words, 3}, [&](uint64_t at) { places.push_back(at); return true; }));
  EXPECT_EQ(places, (std::vector<uint64_t>{0x1000, 0x1008, 0x1018, 0x2000}));
}

TEST(ElfRelr, TheVisitorEndsTheWalk) {
  const uint64_t words[] = {0x1000, ~uint64_t{0}};
  unsigned visits = 0;
  EXPECT_FALSE(for_each_relr({words, 2}, [&](uint64_t) { return ++visits < 3; }));
  EXPECT_EQ(visits, 3u);
}

}  // namespace
}  // namespace pagefold::elf
