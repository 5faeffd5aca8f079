\set number random(0, :last)
SELECT orders.*, payments.* FROM orders LEFT JOIN payments ON orders.current_payment_id = payments.id WHERE orders.id = 'ord_' || lpad(:number::text, 26, '0');
