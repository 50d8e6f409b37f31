// A library in two versions, under one name.
#pragma once

int greeting_version(void);
const char* greeting(void);
