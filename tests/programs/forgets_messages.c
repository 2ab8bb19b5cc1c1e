// SPDX-License-Identifier: Apache-2.0
// Takes 3,000 messages and gives two of three back: forgets_messages. 4,008,000 bytes are left.
#include <stdlib.h>
#include <string.h>

enum { messages = 3000, text_bytes = 4000 };

struct message {
  char* text;
};

__attribute__((noinline)) static char* copy_text(void) {
  char* text = malloc(text_bytes);
  if (text)
    memset(text, 'a', text_bytes);
  return text;
}

__attribute__((noinline)) static struct message* receive(void) {
  struct message* message = calloc(1, sizeof(*message));
  if (message)
    message->text = copy_text();
  return message;
}

int main(void) {
  for (int number = 0; number < messages; number++) {
    struct message* message = receive();
    if (!message)
      return 1;
    if (number % 3 == 0)
      continue;
    free(message->text);
    free(message);
  }
  return 0;
}
