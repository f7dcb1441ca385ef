/* SPDX-License-Identifier: MIT */
/* Aligned columns. See style.h. */
#include "style.h"

#define GAP 2
#define BAR_CELLS 10
#define LEAST_WIDTH 8 /* a column that may be cut keeps this much */

typedef struct {
  MrColor color;
  char *text;      /* NULL for a bar */
  double fraction; /* of a bar */
} Cell;

struct _MrTable {
  const MrColumn *columns;
  guint n_columns;
  GArray *cells; /* Cell, row by row */
};

static void
clear_cell (gpointer data)
{
  g_free (((Cell *) data)->text);
}

MrTable *
mr_table_new (const MrColumn *columns)
{
  MrTable *table = g_new0 (MrTable, 1);

  table->columns = columns;
  while (columns[table->n_columns].title != NULL)
    table->n_columns++;
  table->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  g_array_set_clear_func (table->cells, clear_cell);
  return table;
}

void
mr_table_free (MrTable *table)
{
  if (table == NULL)
    return;
  g_array_unref (table->cells);
  g_free (table);
}

void
mr_table_add (MrTable *table, MrColor color, const char *text)
{
  Cell cell = { .color = color, .text = mr_style_clean (text) };

  g_array_append_val (table->cells, cell);
}

void
mr_table_take (MrTable *table, MrColor color, char *text)
{
  mr_table_add (table, color, text);
  g_free (text);
}

void
mr_table_add_bar (MrTable *table, MrColor color, double fraction)
{
  Cell cell = { .color = color, .fraction = fraction };

  g_array_append_val (table->cells, cell);
}

static guint
cell_width (const Cell *cell)
{
  return cell->text != NULL ? mr_style_width (cell->text) : BAR_CELLS;
}

static const Cell *
get_cell (MrTable *table, guint row, guint column)
{
  return &g_array_index (table->cells, Cell, row * table->n_columns + column);
}

/* Takes what is too much from the widest column that may be cut, again and again. */
static void
shrink_to_fit (MrTable *table, guint *widths, guint total, guint width)
{
  while (total > width) {
    guint widest = table->n_columns;

    for (guint i = 0; i < table->n_columns; i++) {
      if (table->columns[i].shrink && widths[i] > LEAST_WIDTH &&
          (widest == table->n_columns || widths[i] > widths[widest]))
        widest = i;
    }
    if (widest == table->n_columns)
      return;
    widths[widest]--;
    total--;
  }
}

static guint *
measure (MrTable *table, guint n_rows, guint width)
{
  guint *widths = g_new0 (guint, table->n_columns);
  guint total = GAP * (table->n_columns - 1);

  for (guint column = 0; column < table->n_columns; column++) {
    widths[column] = mr_style_width (table->columns[column].title);
    for (guint row = 0; row < n_rows; row++)
      widths[column] = MAX (widths[column], cell_width (get_cell (table, row, column)));
    total += widths[column];
  }
  shrink_to_fit (table, widths, total, width);
  return widths;
}

static void
append_spaces (GString *out, guint n)
{
  g_string_append_printf (out, "%*s", (int) n, "");
}

static void
append_cell (const MrColumn *column, const MrStyle *style, GString *out, const Cell *cell, guint width, gboolean last)
{
  g_autofree char *fit = cell->text != NULL ? mr_style_fit (style, cell->text, width) : NULL;
  guint padding = width - MIN (width, fit != NULL ? mr_style_width (fit) : BAR_CELLS);

  if (column->right)
    append_spaces (out, padding);
  if (fit != NULL)
    mr_style_append (style, out, cell->color, fit);
  else
    mr_style_bar (style, out, cell->color, cell->fraction, BAR_CELLS);
  if (last)
    g_string_append_c (out, '\n');
  else
    append_spaces (out, (column->right ? 0 : padding) + GAP);
}

void
mr_table_render (MrTable *table, const MrStyle *style, GString *out, guint max_rows)
{
  guint n_rows = MIN (table->cells->len / table->n_columns, max_rows);
  g_autofree guint *widths = measure (table, n_rows, style->width);

  for (guint column = 0; column < table->n_columns; column++) {
    Cell title = { .color = MR_COLOR_BOLD, .text = (char *) table->columns[column].title };

    append_cell (&table->columns[column], style, out, &title, widths[column], column + 1 == table->n_columns);
  }
  for (guint row = 0; row < n_rows; row++)
    for (guint column = 0; column < table->n_columns; column++)
      append_cell (&table->columns[column], style, out, get_cell (table, row, column), widths[column],
                   column + 1 == table->n_columns);
}
