/* SPDX-License-Identifier: MIT */
/*
 * How text is shown: colours where they are wanted, widths as terminals count them, bars, and aligned columns. Pure: it
 * appends to a GString and knows nothing of what it shows. Names come from outside, so nothing that could steer a
 * terminal passes through.
 */
#pragma once

#include <glib.h>

typedef enum {
  MR_COLOR_PLAIN,
  MR_COLOR_BOLD,
  MR_COLOR_DIM,
  MR_COLOR_GOOD,    /* green */
  MR_COLOR_WARNING, /* yellow */
  MR_COLOR_BAD,     /* red */
  MR_COLOR_ACCENT,  /* cyan */
} MrColor;

/** MrStyle: of one stream of output. */
typedef struct {
  gboolean color;
  gboolean utf8; /* the locale's character set: bars and dots, or their ASCII relatives */
  guint width;   /* columns; G_MAXUINT for no bound */
} MrStyle;

/** mr_style_append: @text in a colour, made harmless; not padded. */
void mr_style_append (const MrStyle *style, GString *out, MrColor color, const char *text);
void mr_style_printf (const MrStyle *style, GString *out, MrColor color, const char *format, ...) G_GNUC_PRINTF (4, 5);

/** mr_style_bar: @cells columns, of which the share @fraction (0 to 1) is filled. */
void mr_style_bar (const MrStyle *style, GString *out, MrColor color, double fraction, guint cells);

/** mr_style_clean: (transfer full): valid UTF-8 without control characters; a line break becomes a space. */
char *mr_style_clean (const char *text);

/** mr_style_clean_lines: (transfer full): the same, but line breaks and tabs stay. */
char *mr_style_clean_lines (const char *text);

/** mr_style_width: columns that @text (clean) takes in a terminal: wide characters are two, combining ones none. */
guint mr_style_width (const char *text);

/** mr_style_fit: (transfer full): @text cut to at most @width columns, with an ellipsis when something is missing. */
char *mr_style_fit (const MrStyle *style, const char *text, guint width);

/** MrColumn: of a table. */
typedef struct {
  const char *title;
  gboolean right;  /* aligned to the right, for numbers */
  gboolean shrink; /* may be cut when the table is too wide */
} MrColumn;

/** MrTable: rows of cells without borders, a header in bold. */
typedef struct _MrTable MrTable;

/** mr_table_new: @columns: borrowed, and ends with a row whose title is %NULL. */
MrTable *mr_table_new (const MrColumn *columns);
void mr_table_free (MrTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTable, mr_table_free)

/** mr_table_add: the next cell, from left to right and row by row. */
void mr_table_add (MrTable *table, MrColor color, const char *text);

/** mr_table_take: the same; frees @text. */
void mr_table_take (MrTable *table, MrColor color, char *text);

/** mr_table_add_bar: a cell of ten columns that holds a bar. */
void mr_table_add_bar (MrTable *table, MrColor color, double fraction);

/** mr_table_render: appends header and rows. @max_rows: no more than these; G_MAXUINT for all. */
void mr_table_render (MrTable *table, const MrStyle *style, GString *out, guint max_rows);
