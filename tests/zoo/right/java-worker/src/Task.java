/** A task in hand. {@code attempt} is the number of the claim; no other claim of this task has it. */
record Task(long id, String title, String type, boolean fails, int attempt) {
    enum End {
        COMPLETED("completed"), FAILED("failed");

        final String status;

        End(String status) {
            this.status = status;
        }
    }
}
