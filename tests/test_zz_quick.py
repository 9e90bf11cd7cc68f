import os, sys
from anchorspend import model
def test_units(warehouse_url):
    model._dbt("build", model.environment(), "--select", *os.environ.get("SEL","+int_supplier__size_group +int_supplier__size_evidence +int_supplier__size_verdict +int_supplier__living_wage +int_supplier__sector_attribute +supplier_size +supplier_sector +claim_difference").split(), "--exclude", *"spend_basis kpi_scorecard every_loaded_line_is_counted_or_left_out_once sums_reconcile_batch_year_amount__batch_id__line_count__ref_stg_ops__batch___amount_loaded__lines_loaded__status_loaded_and_is_spend relationship_within_institution_supplier_local_supplier_record_id__ref_dim_supplier___supplier_record_id".split())
