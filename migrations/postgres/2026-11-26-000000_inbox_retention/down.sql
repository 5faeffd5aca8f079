DROP INDEX inbox_to_forget;
