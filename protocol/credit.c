/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic of byte windows. See credit.h.
 */
#include "credit.h"

gsize
mr_credit_take (MrCredit *credit, gsize wanted)
{
  gsize taken = (gsize) MIN (credit->available, wanted);

  if (credit->available != G_MAXUINT64)
    credit->available -= taken;
  return taken;
}

void
mr_credit_add (MrCredit *credit, guint64 bytes)
{
  credit->available = bytes > G_MAXUINT64 - credit->available ? G_MAXUINT64 : credit->available + bytes;
}

gboolean
mr_credit_window_receive (MrCreditWindow *window, gsize bytes)
{
  if (bytes > window->window + window->returned - window->received)
    return FALSE;
  window->received += bytes;
  return TRUE;
}

guint64
mr_credit_window_give_back (MrCreditWindow *window, guint64 unsent)
{
  guint64 taken = window->received - MIN (unsent, window->received);
  guint64 due = taken - MIN (window->returned, taken);

  if (due == 0 || due < window->window / 2)
    return 0;
  window->returned += due;
  return due;
}
