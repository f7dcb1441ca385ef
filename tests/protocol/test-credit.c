/* SPDX-License-Identifier: MIT */
/* Byte windows: protocol/credit.c, also both sides against each other with a taker of random speed. */
#include "credit.h"

#define WINDOW 1000
#define N_ROUNDS 200000

static void
test_sender (void)
{
  MrCredit credit = { 10 };
  MrCredit unlimited = MR_CREDIT_UNLIMITED;

  g_assert_cmpuint (mr_credit_take (&credit, 4), ==, 4);
  g_assert_cmpuint (mr_credit_take (&credit, 100), ==, 6);
  g_assert_cmpuint (mr_credit_take (&credit, 1), ==, 0);
  mr_credit_add (&credit, 3);
  g_assert_cmpuint (mr_credit_take (&credit, 100), ==, 3);
  mr_credit_add (&credit, 5);
  mr_credit_add (&credit, G_MAXUINT64);
  g_assert_cmpuint (mr_credit_take (&credit, 100), ==, 100);
  g_assert_cmpuint (mr_credit_take (&unlimited, G_MAXSIZE), ==, G_MAXSIZE);
  g_assert_cmpuint (mr_credit_take (&unlimited, 1), ==, 1);
}

static void
test_receiver (void)
{
  MrCreditWindow window = { .window = WINDOW };

  g_assert_true (mr_credit_window_receive (&window, WINDOW));
  g_assert_false (mr_credit_window_receive (&window, 1));
  g_assert_cmpuint (mr_credit_window_give_back (&window, WINDOW), ==, 0);
  g_assert_cmpuint (mr_credit_window_give_back (&window, WINDOW / 2 + 1), ==, 0); /* not worth a message */
  g_assert_cmpuint (mr_credit_window_give_back (&window, WINDOW / 2), ==, WINDOW / 2);
  g_assert_cmpuint (mr_credit_window_give_back (&window, WINDOW / 2), ==, 0);
  g_assert_true (mr_credit_window_receive (&window, WINDOW / 2));
  g_assert_false (mr_credit_window_receive (&window, 1));
  g_assert_cmpuint (mr_credit_window_give_back (&window, 10 * WINDOW), ==,
                    0); /* more than was received waits: framing */
}

/* Never more than a window outstanding, and never a standstill while the taker takes. */
static void
test_both_sides (void)
{
  MrCredit sender = { WINDOW };
  MrCreditWindow receiver = { .window = WINDOW };
  guint64 on_the_way = 0;
  guint64 waiting = 0;
  guint64 delivered = 0;

  for (guint round = 0; round < N_ROUNDS; round++) {
    gsize sent = mr_credit_take (&sender, (gsize) g_test_rand_int_range (0, WINDOW));
    guint64 due;

    g_assert_true (mr_credit_window_receive (&receiver, sent));
    waiting += sent;
    g_assert_cmpuint (waiting, <=, WINDOW);
    if (g_test_rand_int_range (0, 3) == 0) {
      guint64 taken = (guint64) g_test_rand_int_range (0, (int) waiting + 1);

      waiting -= taken;
      delivered += taken;
    }
    due = mr_credit_window_give_back (&receiver, waiting);
    on_the_way += due;
    if (g_test_rand_int_range (0, 2) == 0) {
      mr_credit_add (&sender, on_the_way);
      on_the_way = 0;
    }
    if (waiting == 0 && on_the_way == 0)
      g_assert_cmpuint (sender.available, >, WINDOW / 2);
  }
  g_assert_cmpuint (delivered, >, (guint64) WINDOW * 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/D5/credit-of-a-sender", test_sender);
  g_test_add_func ("/contract/D5/window-of-a-receiver", test_receiver);
  g_test_add_func ("/contract/D5/both-sides-random", test_both_sides);
  return g_test_run ();
}
